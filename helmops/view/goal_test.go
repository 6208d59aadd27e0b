package view

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestParseGoal(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"ready": "ready", "Healthy": "healthy", "revision=main@sha1:4f3c9a1": "at revision main@sha1:4f3c9a1",
		"phase=Held": "in phase Held",
		"":           "", "ready=yes": "", "revision": "", "phase=": "", "green": "",
	}
	for text, want := range tests {
		goal, err := ParseGoal(text)
		if want == "" && err == nil || want != "" && (err != nil || goal.String() != want) {
			t.Errorf("%q is read as %q, error %v", text, goal, err)
		}
	}
}

func TestGoals(t *testing.T) {
	t.Parallel()
	deployed := release(ready, func(hr *v1beta1.HelmRelease) {
		hr.Status.History = []v1beta1.Snapshot{{Version: 42, ChartName: "shop", ChartVersion: "1.9.1",
			ChartDigest: "sha256:9f2c1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7"}}
		hr.Status.Inventory = &v1beta1.ResourceInventory{
			Entries: []v1beta1.ResourceRef{{ID: "web_shop_apps_Deployment", Version: "v1"}},
		}
	})
	healthy := deployed.DeepCopy()
	status.ReleaseHealth(healthy, status.Health{Known: true, Of: 1}, now)
	sick := deployed.DeepCopy()
	status.ReleaseHealth(sick,
		status.Health{Known: true, Of: 1, Objects: []v1beta1.ObjectHealth{{Kind: "Deployment", Name: "shop"}}}, now)
	parked := release(suspended, ready)
	stalled := release(func(hr *v1beta1.HelmRelease) {
		hr.Status.ObservedGeneration = hr.Generation
		status.Stalled(hr, v1beta1.ValuesErrorReason, "wrong values", now)
	})
	failed := release(func(hr *v1beta1.HelmRelease) {
		hr.Status.ObservedGeneration = hr.Generation
		status.Retrying(hr, v1beta1.UpgradeFailedReason, "failed", now)
	})
	source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "fleet", Generation: 3}}
	status.SourceReady(source, v1beta1.Artifact{Revision: "main@sha1:4f3c9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"}, "fetched",
		now)
	asked := &v1beta1.Promotion{
		ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: v1beta1.PromotionSpec{Version: "1.4.3"},
	}
	asked.Status.Phase = v1beta1.PromotionVerifying
	verified := asked.DeepCopy()
	verified.Status.Phase = v1beta1.PromotionVerified
	rejected := asked.DeepCopy()
	rejected.Status.Phase = v1beta1.PromotionRejected

	tests := []struct {
		name          string
		object        Object
		goal          string
		met, hopeless bool
	}{
		{"ready", deployed, "ready", true, false},
		{"health is not known", deployed, "healthy", false, false},
		{"healthy", healthy, "healthy", true, false},
		{"not healthy", sick, "healthy", false, false},
		{"a source has no objects", source, "healthy", true, false},
		{"suspended", parked, "ready", false, true},
		{"suspended, and the phase is asked for", parked, "phase=suspended", true, false},
		{"stalled", stalled, "ready", false, true},
		{"stalled, before another revision", stalled, "revision=43", false, false},
		{"failed is tried again", failed, "ready", false, false},
		{"failed, and the phase is asked for", failed, "phase=failed", true, false},
		{"Helm revision", deployed, "revision=42", true, false},
		{"another Helm revision", deployed, "revision=4", false, false},
		{"version of the chart", deployed, "revision=1.9.1", true, false},
		{"digest of the chart", deployed, "revision=9f2c1a2b3c4d", true, false},
		{"commit", source, "revision=4f3c9a1", true, false},
		{"too little of a commit", source, "revision=4f3c9a", false, false},
		{"another commit", source, "revision=4f3c9a2", false, false},
		{"commit with its algorithm", source, "revision=sha1:4f3c9a1b", true, false},
		{"branch", source, "revision=main", true, false},
		{"whole revision", source, "revision=main@sha1:4f3c9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b", true, false},
		{"promotion under way", asked, "ready", false, false},
		{"promotion verified", verified, "ready", true, false},
		{"promotion of another version", verified, "revision=1.4.2", false, true},
		{"promotion rejected", rejected, "ready", false, true},
		{"promotion rejected, and the phase is asked for", rejected, "phase=rejected", true, false},
	}
	for _, tt := range tests {
		goal, err := ParseGoal(tt.goal)
		if err != nil {
			t.Fatal(err)
		}
		if got := goal.Attained(tt.object); got.Met != tt.met || got.Hopeless != tt.hopeless {
			t.Errorf("%s: %+v, want met %v, hopeless %v", tt.name, got, tt.met, tt.hopeless)
		}
	}
}
