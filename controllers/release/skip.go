package release

import (
	"context"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// skip passes over charts that are known to be bad with the present values: the newest of the others is wanted, when it
// is newer than what runs. Without one, or while the source looks for it, the release stays as it is.
func (g *gatherer) skip(ctx context.Context, hr *v1beta1.HelmRelease, in *release.Inputs) {
	choice := catalog.ChoiceOfRelease(hr)
	if !choice.LeavesChoice() || in.Unsourced != nil || release.ResetRequested(hr) != "" {
		status.ReleaseSkips(hr, nil)
		return
	}

	status.ReleaseSkips(hr, release.Skipped(hr, *in))
	if len(hr.Status.Skipped) == 0 {
		return
	}

	older, err := g.catalog.Chart(ctx, choice.Without(hr.Status.Skipped))
	if err != nil || !release.TakesInstead(hr, older) {
		return // the reason why the newest is not taken is what the user wants to know
	}

	in.Note = release.SkippedNote(in.Chart)
	in.Chart = older
}
