package view

import "fairlead.dev/fairlead/api/v1beta1"

// phases are those of an object that is not Ready for one reason.
type phases struct {
	// upstream is the phase of a source that reads from outside of the cluster, and of a Receiver.
	upstream Phase
	// dependent is the phase of an object that is made of others: an ArtifactGenerator, ExternalArtifact, HelmChart,
	// HelmRelease or Kustomization. It waits for what another object, its source for example, reports as failed.
	dependent Phase
}

var (
	fails    = phases{upstream: Failed, dependent: Failed}
	waits    = phases{upstream: Waiting, dependent: Waiting}
	bySource = phases{upstream: Failed, dependent: Waiting}
	works    = phases{upstream: Progressing, dependent: Progressing}
	held     = phases{upstream: Held, dependent: Held}
	// nowhere is for reasons that the condition Ready does not have while it is False: of other conditions, and of
	// success.
	nowhere = fails
)

// phasesOf has the phases of every reason of api/v1beta1/reasons.go that a condition can have. An object that is
// Stalled has the phase Stalled whatever the reason, unless that is Held.
var phasesOf = map[string]phases{
	// On every kind.
	v1beta1.ProgressingReason:            works,
	v1beta1.ProgressingWithRetryReason:   nowhere,
	v1beta1.SucceededReason:              nowhere,
	v1beta1.RenderingLimitExceededReason: fails,
	v1beta1.AccessDeniedReason:           fails,
	v1beta1.UnsupportedReason:            fails,
	v1beta1.InternalErrorReason:          fails,
	v1beta1.CancelledReason:              fails,

	// About sources.
	v1beta1.URLInvalidReason:           bySource,
	v1beta1.AuthenticationFailedReason: bySource,
	v1beta1.FetchFailedReason:          bySource,
	v1beta1.NotFoundReason:             fails,
	v1beta1.NoMatchReason:              fails,
	v1beta1.DigestMismatchReason:       fails,
	v1beta1.VerificationFailedReason:   fails,
	v1beta1.InvalidContentReason:       fails,
	v1beta1.StorageFailedReason:        bySource,
	v1beta1.BudgetExceededReason:       bySource,
	v1beta1.SourceNotReadyReason:       waits,
	v1beta1.SourceNotFoundReason:       waits,
	v1beta1.InvalidReferenceReason:     fails,

	// Of HelmRelease.
	v1beta1.InstallSucceededReason:      nowhere,
	v1beta1.InstallFailedReason:         fails,
	v1beta1.UpgradeSucceededReason:      nowhere,
	v1beta1.UpgradeFailedReason:         fails,
	v1beta1.UninstallSucceededReason:    fails, // a failed install was undone
	v1beta1.UninstallFailedReason:       fails,
	v1beta1.RollbackSucceededReason:     fails, // a failed upgrade was undone
	v1beta1.RollbackFailedReason:        fails,
	v1beta1.TestSucceededReason:         nowhere,
	v1beta1.TestFailedReason:            fails,
	v1beta1.AwaitingTestsReason:         works,
	v1beta1.AwaitingApprovalReason:      waits,
	v1beta1.SyncWindowClosedReason:      waits,
	v1beta1.InvalidSyncWindowReason:     fails,
	v1beta1.RetriesExceededReason:       fails,
	v1beta1.MissingRollbackTargetReason: fails,
	v1beta1.InvalidCELExpressionReason:  fails,
	v1beta1.KubeConfigInvalidReason:     fails,
	v1beta1.ClusterUnreachableReason:    fails,
	v1beta1.CRDsFailedReason:            fails,
	v1beta1.DependencyNotReadyReason:    waits,
	v1beta1.DependencyCycleReason:       fails,
	v1beta1.ValuesErrorReason:           fails,
	v1beta1.ArtifactFailedReason:        fails,
	v1beta1.RenderFailedReason:          fails,
	v1beta1.SchemaFailedReason:          fails,
	v1beta1.PendingReleaseReason:        waits,
	v1beta1.AdoptionHeldReason:          waits,
	v1beta1.StorageErrorReason:          fails,
	v1beta1.PreflightRejectedReason:     fails,
	v1beta1.KnownBadReason:              fails,
	v1beta1.CandidateRejectedReason:     fails,
	v1beta1.NotPromotedReason:           fails,
	v1beta1.RolledBackReason:            held,
	v1beta1.RollbackHeldReason:          fails,
	v1beta1.OwnedByOtherReason:          fails,
	v1beta1.InvalidDriftRuleReason:      fails,

	// Of other conditions; a Kustomization has Unhealthy on Ready, too.
	v1beta1.HealthyReason:               nowhere,
	v1beta1.UnhealthyReason:             fails,
	v1beta1.HealthUnknownReason:         nowhere,
	v1beta1.VerifiedReason:              nowhere,
	v1beta1.BakingReason:                nowhere,
	v1beta1.BakeFailedReason:            fails,
	v1beta1.InconclusiveReason:          nowhere,
	v1beta1.NotVerifiedReason:           nowhere,
	v1beta1.NoDriftReason:               nowhere,
	v1beta1.DriftDetectedReason:         nowhere,
	v1beta1.DriftCorrectedReason:        nowhere,
	v1beta1.DriftCorrectionFailedReason: nowhere,
	v1beta1.DriftFightReason:            nowhere,
	v1beta1.DriftUnknownReason:          nowhere,

	// Of Kustomization.
	v1beta1.AppliedReason:            nowhere,
	v1beta1.PathNotFoundReason:       fails,
	v1beta1.BuildFailedReason:        fails,
	v1beta1.SubstitutionFailedReason: fails,
	v1beta1.DecryptionFailedReason:   fails,
	v1beta1.ValidationFailedReason:   fails,
	v1beta1.OwnershipConflictReason:  fails,
	v1beta1.KindUnknownReason:        fails,
	v1beta1.NothingToApplyReason:     fails,
	v1beta1.PruneRefusedReason:       fails,
	v1beta1.ApplyFailedReason:        fails,

	// Of the condition Pruned of a Kustomization.
	v1beta1.AwaitingConfirmationReason: nowhere,
}

// notReady returns the phase of an object that is not Ready for a reason.
func notReady(o v1beta1.Conditioned, reason string) Phase {
	row, known := phasesOf[reason]
	if !known {
		row = fails
	}

	switch o.(type) {
	case *v1beta1.ArtifactGenerator, *v1beta1.ExternalArtifact, *v1beta1.HelmChart, *v1beta1.HelmRelease,
		*v1beta1.Kustomization:
		return row.dependent
	default:
		return row.upstream
	}
}
