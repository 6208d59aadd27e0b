package engine

import (
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

// result reads back what is in storage now.
func (r *run) result(before []plan.Record, err error) Result {
	after, historyErr := r.site.records.History(r.ctx, r.reader, r.key)
	out := Result{
		Err: err, History: after, HistoryErr: historyErr, Reached: reached(before, after, historyErr), Drift: r.drifted,
	}
	out.StillKept = r.Options.Kept
	if r.client != nil {
		out.Kept, out.StillKept = r.client.Kept(), r.client.StillKept()
		out.Dropped = r.dropped()
		out.Warned = r.warned()
	}
	if err != nil {
		out.Mask = r.mask()
	}

	if r.looked != nil {
		if out.Inventory, historyErr = r.inventory(r.looked); out.Err == nil {
			out.Err = historyErr
		}
		return out
	}

	if historyErr != nil || len(after) == 0 || after[0].Status == plan.StatusUninstalled {
		return out
	}

	newest, oneErr := r.site.records.One(r.ctx, r.reader, r.key, after[0].Version)
	if oneErr == nil && newest != nil {
		out.Inventory, oneErr = r.inventory(newest.Release)
	}
	if out.Err == nil {
		out.Err = oneErr
	}

	return out
}

// reached reports whether an action has written a record. While the records cannot be read it has not: a cluster that
// is away is no failure of the input, and a record that turns up later is taken over as what it is.
func reached(before, after []plan.Record, err error) bool { return err == nil && differ(before, after) }

// differ reports whether any record was written between the two readings.
func differ(before, after []plan.Record) bool {
	same := func(a, b plan.Record) bool { return a.Version == b.Version && a.Digest == b.Digest }
	return !slices.EqualFunc(before, after, same)
}

// inventory lists the objects of a release, without its hooks, sorted.
func (r *run) inventory(rel *release.Release) ([]v1beta1.ResourceRef, error) {
	if r.client == nil {
		r.newClient(nil, nil)
	}
	return r.client.References(rel.Manifest)
}

// dropped names the objects of which the API server did not keep all that was written.
func (r *run) dropped() []string {
	names := r.client.Dropped()
	if len(names) == 0 {
		return nil
	}
	mask := r.mask()
	for i := range names {
		names[i] = mask.Apply(names[i])
	}
	return names
}

// warned returns the objects to report that the API server took with warnings.
func (r *run) warned() []warning.Object {
	switch r.Step {
	case plan.Install, plan.Upgrade, plan.Resume:
	default:
		return nil
	}

	if r.Owner.IsZero() {
		return nil
	}

	config := values.DigestWith(r.Values, r.Revision.ValuesDigest)
	input := strings.Join([]string{r.Revision.Version, r.Revision.Digest, config, r.RenderDigest}, " ")
	due := r.site.warnings.Due(r.Owner.Key(), input, r.client.Written())
	if len(due) == 0 {
		return nil
	}

	mask := r.mask()
	for i := range due {
		due[i] = due[i].Masked(func(text string) string { return mask.Apply(ssa.Scrub(text)) })
	}

	return due
}
