package status

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestChartOf(t *testing.T) {
	t.Parallel()
	runs := v1beta1.Snapshot{
		ChartName: "web", ChartVersion: "1.0.0", ChartDigest: "sha256:0", Status: plan.StatusDeployed,
	}
	with := func(change func(*v1beta1.Snapshot)) []v1beta1.Snapshot {
		s := runs
		change(&s)
		return []v1beta1.Snapshot{s}
	}
	as := func(version, digest string) v1beta1.ChartRevision {
		return v1beta1.ChartRevision{Name: "web", Version: version, Digest: digest}
	}
	for _, tt := range []struct {
		name   string
		status v1beta1.HelmReleaseStatus
		want   v1beta1.ChartRevision
	}{
		{"nothing is released", v1beta1.HelmReleaseStatus{}, v1beta1.ChartRevision{}},
		{"what runs", v1beta1.HelmReleaseStatus{History: []v1beta1.Snapshot{runs}}, as("1.0.0", "sha256:0")},
		{"what was rolled back", v1beta1.HelmReleaseStatus{History: []v1beta1.Snapshot{runs},
			LastAttemptedRevision: "1.1.0", LastAttemptedRevisionDigest: "sha256:1"}, as("1.1.0", "sha256:1")},
		{"it was uninstalled", v1beta1.HelmReleaseStatus{History: with(func(s *v1beta1.Snapshot) {
			s.Status = plan.StatusUninstalled
		})}, v1beta1.ChartRevision{}},
		{"another Helm client made it", v1beta1.HelmReleaseStatus{History: with(func(s *v1beta1.Snapshot) {
			s.ChartDigest = ""
		})}, v1beta1.ChartRevision{}},
	} {
		if got := ChartOf(&tt.status); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
