package main

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
)

// A change that a freeze holds is shown with a note that says so; any other chart is not held.
func TestDiffPendingSaysWhatIsHeld(t *testing.T) {
	t.Parallel()
	hr := shop()
	hr.Status.Held = &v1beta1.HeldChart{ChartVersion: "1.9.2", ChartDigest: digestB, Reason: v1beta1.HeldByFreeze,
		Message: "ReleaseFreeze sale; it ends when it is deleted (the sale)"}
	would := release.Preview{Change: plan.Plan{Step: plan.Upgrade}, Next: plan.Plan{Step: plan.Upgrade}}
	for digest, want := range map[string]string{
		digestA: "",
		digestB: "the chart is not taken for now: Frozen: ReleaseFreeze sale; it ends when it is deleted (the sale)",
	} {
		chart := v1beta1.ChartRevision{Name: "shop", Version: "1.9.2", Digest: digest}
		in := release.Inputs{Chart: chart, Note: heldNote(hr, chart)}
		if got := pendingOf(would, in).Pending.Note; got != want {
			t.Errorf("the note is %q, want %q", got, want)
		}
	}
}
