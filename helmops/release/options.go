package release

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
)

// actionOf gives the engine everything that it needs for a step but the chart.
func actionOf(w Work) engine.Action {
	hr := w.Release
	p := w.Plan
	action := engine.Action{
		Step: p.Step, Access: w.Inputs.Access, Target: p.Target, To: p.To, Others: p.Others, Objects: p.Objects,
		Approved: p.Approved, Afresh: p.Afresh, Why: p.Message, Owner: ownerOf(hr), Former: p.Former, Mask: w.Inputs.Mask, DriftIgnore: w.Inputs.Ignore,
		Options: optionsOf(hr, p.Action()), Superseded: w.Superseded, Cancelled: w.Cancelled,
		Audit: p.Reason == plan.ReasonAudit, ListOnly: p.Reason == plan.ReasonUnlisted,
	}
	if p.Step == plan.Preview {
		action.Options = optionsOf(hr, plan.Compare)
	}
	if p.Reason == plan.ReasonAdopting {
		action.Overwritten = true
		action.Options = optionsOf(hr, plan.Compare)
	}

	action.Options.Health = w.Inputs.Rules
	if action.Audit && hr.Status.Inventory != nil {
		action.Objects = hr.Status.Inventory.Entries // with what the release is known to own
	}
	if p.Action() == plan.Rollback {
		return action // what it goes back to has an input of its own
	}

	action.Revision = w.Inputs.Chart
	action.Values = w.Inputs.Values
	action.PostRenderers = hr.Spec.PostRenderers
	action.PostRenderStrategy = hr.Spec.PostRenderStrategy
	action.CommonMetadata = hr.Spec.CommonMetadata
	action.RenderDigest = RenderDigest(hr.Spec)
	return action
}

// DisablesHooks reports whether the release runs no hooks with its first install, or else with an upgrade.
func (w Work) DisablesHooks(first bool) bool {
	if first {
		return optionsOf(w.Release, plan.Install).DisableHooks
	}
	return optionsOf(w.Release, plan.Upgrade).DisableHooks
}

// optionsOf reads the options of an action off the spec.
func optionsOf(hr *v1beta1.HelmRelease, action plan.Step) engine.Options {
	options := engine.Options{MaxHistory: hr.GetMaxHistory(), Whole: hr.DeletionTimestamp != nil, Kept: hr.Status.Kept}
	if hr.Spec.Upgrade != nil {
		options.PruneKinds = hr.Spec.Upgrade.Prune
	}
	if hr.Status.LastVerified != nil {
		options.Protect = int(hr.Status.LastVerified.Revision)
	}

	switch action {
	case plan.Install:
		installOptions(hr.GetInstall(), &options)
	case plan.Upgrade, plan.Compare:
		upgradeOptions(hr.GetUpgrade(), &options)
		// An upgrade of what has never been good continues the installation.
		options.CreateNamespace = hr.Status.LastVerified == nil && hr.GetInstall().CreateNamespace
		options.Preflight = action == plan.Upgrade && hr.PreflightEnabled()
	case plan.Rollback:
		o := hr.GetRollback()
		options.Timeout = o.Timeout.Duration
		options.Force = o.Force
		options.CleanupOnFail = o.CleanupOnFail
		options.DisableHooks = o.DisableHooks
		options.DisableWait = o.DisableWait
		options.DisableWaitForJobs = o.DisableWaitForJobs
		options.ProtectKinds, options.ServerSideApply = hr.GetProtected(), o.ServerSideApply
	case plan.Test:
		o := hr.GetTest()
		options.Timeout = o.Timeout.Duration
		options.TestFilters = o.Filters
	case plan.Uninstall:
		o := hr.GetUninstall()
		options.Timeout = o.Timeout.Duration
		options.KeepHistory = o.KeepHistory
		options.Propagation = o.DeletionPropagation
		options.DisableHooks = o.DisableHooks
		options.DisableWait = o.DisableWait
	default:
	}

	return options
}

func installOptions(o v1beta1.Install, options *engine.Options) {
	options.Timeout = o.Timeout.Duration
	options.CreateNamespace = o.CreateNamespace
	options.CRDs = o.CRDs
	options.DisableHooks = o.DisableHooks
	options.DisableWait = o.DisableWait
	options.DisableWaitForJobs = o.DisableWaitForJobs
	options.DisableSchemaValidation = o.DisableSchemaValidation
	options.DisableTakeOwnership = o.DisableTakeOwnership
	if o.ServerSideApply != nil {
		options.ServerSideApply = v1beta1.Disabled
		if *o.ServerSideApply {
			options.ServerSideApply = v1beta1.Enabled
		}
	}
}

func upgradeOptions(o v1beta1.Upgrade, options *engine.Options) {
	options.Timeout = o.Timeout.Duration
	options.CRDs = o.CRDs
	options.DisableHooks = o.DisableHooks
	options.DisableWait = o.DisableWait
	options.DisableWaitForJobs = o.DisableWaitForJobs
	options.DisableSchemaValidation = o.DisableSchemaValidation
	options.DisableTakeOwnership = o.DisableTakeOwnership
	options.Force = o.Force
	options.CleanupOnFail = o.CleanupOnFail
	options.PreserveValues = o.PreserveValues
	options.ServerSideApply = o.ServerSideApply
}
