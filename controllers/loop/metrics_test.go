package loop

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestReadyStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*v1beta1.HelmRelease)
		want   string
	}{
		{"without conditions", func(*v1beta1.HelmRelease) {}, isUnknown},
		{"at work", func(hr *v1beta1.HelmRelease) { status.Progressing(hr, "installing", noon) }, isUnknown},
		{"Ready", func(hr *v1beta1.HelmRelease) { status.Ready(hr, v1beta1.UpgradeSucceededReason, "runs", noon) }, isTrue},
		{"failed", func(hr *v1beta1.HelmRelease) {
			status.Retrying(hr, v1beta1.UpgradeFailedReason, "broken", noon)
		}, isFalse},
		{"stalled", func(hr *v1beta1.HelmRelease) { status.Stalled(hr, v1beta1.KnownBadReason, "broken", noon) }, isFalse},
		{"held by a user", func(hr *v1beta1.HelmRelease) {
			status.Stalled(hr, v1beta1.RolledBackReason, "asked for", noon)
		}, isUnknown},
	}
	for _, tt := range tests {
		hr := release()
		tt.change(hr)
		if got := readyStatus(hr); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// An object has one series for each status, of which one is 1, and none once it is gone.
func TestAnObjectHasASeriesForEachStatus(t *testing.T) {
	hr := release()
	hr.Name = "series-of-a-condition"
	r := readiness{kind: v1beta1.HelmReleaseKind}
	status.Ready(hr, v1beta1.UpgradeSucceededReason, "runs", noon)
	r.observe(hr)
	status.Retrying(hr, v1beta1.UpgradeFailedReason, "broken", noon)
	r.observe(hr)
	if got := seriesOf(t, hr.Name); len(got) != 3 || got[isFalse] != 1 || got[isTrue] != 0 || got[isUnknown] != 0 {
		t.Errorf("an object that is not Ready has the series %v", got)
	}
	r.forget(client.ObjectKeyFromObject(hr))
	if got := seriesOf(t, hr.Name); len(got) != 0 {
		t.Errorf("an object that is gone has the series %v", got)
	}
}

func seriesOf(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "fairlead_object_condition" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["name"] == name && labels["condition"] == v1beta1.ReadyCondition {
				found[labels["status"]] = metric.GetGauge().GetValue()
			}
		}
	}
	return found
}
