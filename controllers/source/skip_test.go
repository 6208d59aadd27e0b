package source

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A repository is polled for a release that skips other charts than before, and not for any other change of status.
func TestAReleaseThatSkipsOtherChartsIsNews(t *testing.T) {
	t.Parallel()
	skips := func(digests ...string) *v1beta1.HelmRelease {
		return paced("a", 0, func(hr *v1beta1.HelmRelease) {
			for _, digest := range digests {
				skipped := v1beta1.SkippedChart{ChartVersion: "1.0.0", ChartDigest: digest}
				hr.Status.Skipped = append(hr.Status.Skipped, skipped)
			}
		})
	}
	for _, tt := range []struct {
		name          string
		before, after *v1beta1.HelmRelease
		want          bool
	}{
		{"one more", skips("a"), skips("a", "b"), true},
		{"the first", skips(), skips("a"), true},
		{"the same", skips("a"), skips("a"), false},
		{"none any more", skips("a"), skips(), false},
	} {
		if got := skipsOthers().Update(event.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after}); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	first, none := event.CreateEvent{Object: skips("a")}, event.CreateEvent{Object: skips()}
	if !skipsOthers().Create(first) || skipsOthers().Create(none) {
		t.Error("after a start, the releases that skip charts are news, and no others")
	}
	affected := skipWatch().Affects(t.Context(), skips("a"))
	if len(affected) != 1 || affected[0].Name != charts.Name || affected[0].Namespace != charts.Namespace {
		t.Errorf("%v are reconciled", affected)
	}
	exact := skips("a")
	exact.Spec.Chart.Spec.Version = "1.0.0"
	if affected := skipWatch().Affects(t.Context(), exact); len(affected) != 0 {
		t.Errorf("an exact version leaves no choice, and %v are reconciled", affected)
	}
}
