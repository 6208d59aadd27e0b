package release

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// An alert or a rate needs a value before the first drift.
func TestMetricsOfDriftAreThereFromTheStart(t *testing.T) {
	publishState()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, family := range families {
		series[family.GetName()] = len(family.GetMetric())
	}
	for name, want := range map[string]int{
		"fairlead_releases_drifted": 1, "fairlead_releases": len(healths), "fairlead_drift_corrections_total": len(results),
	} {
		if series[name] != want {
			t.Errorf("%s has %d series, want %d", name, series[name], want)
		}
	}
}
