package engine

import (
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"

	"fairlead.dev/fairlead/helmops/engine/helmtext"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/plan"
)

// abandon marks a revision that was left pending as failed. Its description is in Helm's form: another Helm client that
// writes the record again drops the annotation with the outcome, and keeps the description.
func (r *run) abandon(before []plan.Record) error {
	describe := helmtext.OfInstall
	switch plan.ActionOf(newestOf(before).Status) {
	case plan.Upgrade:
		describe = helmtext.OfUpgrade
	case plan.Rollback:
		describe = helmtext.OfRollback
	default:
	}
	return r.unlock(before, describe(r.Target.Name, r.Why))
}

// unlock marks a record that was left pending as failed, so that the next action can continue from it. why is the
// description of the record.
func (r *run) unlock(before []plan.Record, why string) error {
	if len(before) == 0 || !before[0].Pending() {
		return nil
	}

	pending, err := r.site.records.One(r.ctx, r.reader, r.key, before[0].Version)
	if err != nil || pending == nil {
		return err
	}

	pending.Release.SetStatus(release.StatusFailed, why)
	store := r.driver(nil)
	store.Expect(*pending)
	return storage.Init(store).Update(pending.Release)
}

// failsAs is the outcome of a revision that the action marks as failed.
func (r *run) failsAs() plan.RevisionOutcome {
	switch {
	case r.Step == plan.Unlock:
		return plan.OutcomeInterrupted
	case r.client != nil && r.client.Cancelled() != nil:
		return plan.OutcomeCancelled
	case r.client != nil && r.client.Superseded():
		return plan.OutcomeSuperseded
	default:
		return plan.OutcomeFailed
	}
}

// redactCause hides secrets in why a revision failed.
func (r *run) redactCause(cause string) string {
	return r.mask().Apply(ssa.Scrub(cause))
}
