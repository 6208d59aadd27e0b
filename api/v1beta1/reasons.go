package v1beta1

// Reasons that more than one kind uses.
const (
	// ProgressingReason: work is under way.
	ProgressingReason = "Progressing"
	// ProgressingWithRetryReason: the last attempt failed, another one follows by itself.
	ProgressingWithRetryReason = "ProgressingWithRetry"
	// SucceededReason: the source has an artifact of the wanted revision.
	SucceededReason = "Succeeded"
	// SuspendedReason: spec.suspend is set; nothing is done.
	SuspendedReason = "Suspended"
	// RenderingLimitExceededReason: templates, patches or variables exceed a bound of memory, time or size. The controller
	// does not try the same input again.
	RenderingLimitExceededReason = "RenderingLimitExceeded"
	// CandidateRejectedReason: a stage of a pipeline has a candidate that failed, and nothing to go back to.
	CandidateRejectedReason = "CandidateRejected"
	// CandidatesDisplacedReason: a stage of a pipeline replaced candidates that a later stage only waited for.
	CandidatesDisplacedReason = "CandidatesDisplaced"
	// NotPromotedReason: a Promotion that a user made cannot be carried out.
	NotPromotedReason = "NotPromoted"
	// AccessDeniedReason: the API server refused what the object needs.
	AccessDeniedReason = "AccessDenied"
	// CancelledReason: a user cancelled the step that was running. The controller does not try its input again until
	// that changes, or the user asks for it.
	CancelledReason = "Cancelled"
	// UnsupportedReason: the spec has a field that would change what is trusted or reached, and that the controller
	// does not support yet. Nothing is done.
	UnsupportedReason = "Unsupported"
	// InternalErrorReason: the controller itself has a fault, which the object has met. It is tried again with back-off.
	InternalErrorReason = "InternalError"
)

// Reasons of sources.
const (
	// URLInvalidReason: spec.url cannot be used.
	URLInvalidReason = "URLInvalid"
	// AuthenticationFailedReason: the Secret is missing or malformed, or upstream refused the credentials.
	AuthenticationFailedReason = "AuthenticationFailed"
	// FetchFailedReason: upstream could not be reached or answered with an error.
	FetchFailedReason = "FetchFailed"
	// NotFoundReason: upstream answered, and does not have what is asked for.
	NotFoundReason = "NotFound"
	// NoMatchReason: versions exist, but none is in the wanted range.
	NoMatchReason = "NoMatchingVersion"
	// RepublishedReason: upstream has a version with other content than before. Of events only; the new content is
	// followed.
	RepublishedReason = "Republished"
	// TagMovedReason: a version of the subject of a pipeline has other content than before; of an event.
	TagMovedReason = "TagMoved"
	// DigestMismatchReason: upstream has other content than the digest that is wanted.
	DigestMismatchReason = "DigestMismatch"
	// VerificationFailedReason: what upstream has is not signed by whom it has to be, or the keys cannot be used.
	VerificationFailedReason = "VerificationFailed"
	// InvalidContentReason: upstream served something that is broken, too large, or not what it claims to be.
	InvalidContentReason = "InvalidContent"
	// StorageFailedReason: the artifact cache could not be written or read.
	StorageFailedReason = "StorageOperationFailed"
	// BudgetExceededReason: what sources of one namespace may take of the controller's disk or memory is used up.
	BudgetExceededReason = "BudgetExceeded"
	// SourceNotReadyReason: the source that is referred to has no artifact yet.
	SourceNotReadyReason = "SourceNotReady"
	// SourceNotFoundReason: the source that is referred to does not exist.
	SourceNotFoundReason = "SourceNotFound"
	// InvalidReferenceReason: a field of spec cannot be understood, for example a malformed version range.
	InvalidReferenceReason = "InvalidReference"
)

// Reasons of HelmRelease.
const (
	// InstallSucceededReason and the next ones name the last Helm action and how it ended.
	InstallSucceededReason   = "InstallSucceeded"
	InstallFailedReason      = "InstallFailed"
	UpgradeSucceededReason   = "UpgradeSucceeded"
	UpgradeFailedReason      = "UpgradeFailed"
	UninstallSucceededReason = "UninstallSucceeded"
	UninstallFailedReason    = "UninstallFailed"
	// RollbackSucceededReason and RollbackFailedReason: a failed upgrade was undone, or could not be.
	RollbackSucceededReason = "RollbackSucceeded"
	RollbackFailedReason    = "RollbackFailed"
	// TestSucceededReason, TestFailedReason and AwaitingTestsReason tell about the chart's tests.
	TestSucceededReason = "TestSucceeded"
	TestFailedReason    = "TestFailed"
	AwaitingTestsReason = "AwaitingTests"
	// AdoptedReason: a revision of another Helm client is as wanted and was taken over as it is.
	AdoptedReason = "Adopted"
	// OrphanedReason: the object was deleted and its Helm release was left behind.
	OrphanedReason = "Orphaned"
	// RetriesExceededReason: this very input has failed as often as its policy allows; other input or a reset starts a new attempt.
	RetriesExceededReason = "RetriesExceeded"
	// MissingRollbackTargetReason: a failed upgrade cannot be undone, because no good revision is left in storage.
	MissingRollbackTargetReason = "MissingRollbackTarget"
	// InvalidCELExpressionReason: a CEL expression of the spec cannot be compiled.
	InvalidCELExpressionReason = "InvalidCELExpression"
	// KubeConfigInvalidReason: the kubeconfig is missing, malformed or refused.
	KubeConfigInvalidReason = "KubeConfigInvalid"
	// ClusterUnreachableReason: the cluster of the release does not answer.
	ClusterUnreachableReason = "ClusterUnreachable"
	// CRDsFailedReason: the chart's crds directory could not be applied.
	CRDsFailedReason = "CRDsFailed"
	// DependencyNotReadyReason: an object of spec.dependsOn is not Ready.
	DependencyNotReadyReason = "DependencyNotReady"
	// DependencyCycleReason: spec.dependsOn leads back to the object.
	DependencyCycleReason = "DependencyCycle"
	// ValuesErrorReason: values could not be composed: a Secret, ConfigMap or key is missing or is not YAML.
	ValuesErrorReason = "ValuesError"
	// ArtifactFailedReason: the chart could not be fetched or loaded.
	ArtifactFailedReason = "ArtifactFailed"
	// RenderFailedReason: the chart's templates fail with these values.
	RenderFailedReason = "RenderFailed"
	// SchemaFailedReason: the values break the chart's values.schema.json.
	SchemaFailedReason = "ValuesSchemaFailed"
	// PendingReleaseReason: another Helm client holds the release in a pending state.
	PendingReleaseReason = "PendingRelease"
	// AdoptionHeldReason: the first upgrade of an adopted release waits, because it would overwrite what differs from
	// the record.
	AdoptionHeldReason = "AdoptionHeld"
	// StorageErrorReason: the Helm release records could not be read or written.
	StorageErrorReason = "StorageError"
	// PreflightRejectedReason: the API server would refuse what an upgrade changes; nothing was changed.
	PreflightRejectedReason = "PreflightRejected"
	// AwaitingApprovalReason: the plan of the next install or upgrade, or of the next revision of a Kustomization, waits
	// for an approval; what runs stays.
	AwaitingApprovalReason = "AwaitingApproval"
	// SyncWindowClosedReason: what is new waits until a window of spec.sync opens.
	SyncWindowClosedReason = "SyncWindowClosed"
	// SyncWindowOverriddenReason: a user asked for one attempt although no window of spec.sync is open.
	SyncWindowOverriddenReason = "SyncWindowOverridden"
	// InvalidSyncWindowReason: a window of spec.sync cannot be understood.
	InvalidSyncWindowReason = "InvalidSyncWindow"
	// KnownBadReason: this very input has failed before and is not tried again.
	KnownBadReason = "KnownBad"
	// RolledBackReason: the user asked for the revision that runs.
	RolledBackReason = "RolledBackByRequest"
	// RollbackHeldReason: a failed revision is left as it is, because a rollback is not allowed or would not help.
	RollbackHeldReason = "RollbackHeld"
	// OwnedByOtherReason: another HelmRelease owns the Helm release; nothing is changed.
	OwnedByOtherReason = "OwnedByOther"
	// InvalidDriftRuleReason: a rule of spec.driftDetection.ignore cannot be understood.
	InvalidDriftRuleReason = "InvalidDriftRule"
)

// Reasons of the conditions Healthy, Verified and Drifted of a HelmRelease.
const (
	// HealthyReason: every object is healthy.
	HealthyReason = "Healthy"
	// UnhealthyReason: an object has failed, or is not ready.
	UnhealthyReason = "Unhealthy"
	// HealthUnknownReason: the cluster cannot be watched at present.
	HealthUnknownReason = "Unknown"
	// VerifiedReason: the revision has stayed healthy while it baked.
	VerifiedReason = "Verified"
	// BakingReason: the revision is Ready and is watched.
	BakingReason = "Baking"
	// BakeFailedReason: the revision did not stay healthy.
	BakeFailedReason = "BakeFailed"
	// InconclusiveReason: the revision is not healthy, but not for a cause of its own.
	InconclusiveReason = "Inconclusive"
	// NotVerifiedReason: what is wanted did not get as far as to be watched.
	NotVerifiedReason = "NotVerified"
	// NoDriftReason: every object is as its manifest says.
	NoDriftReason = "InSync"
	// DriftDetectedReason: objects differ and are left so.
	DriftDetectedReason = "DriftDetected"
	// DriftCorrectedReason: objects differed and were corrected.
	DriftCorrectedReason = "DriftCorrected"
	// DriftCorrectionFailedReason: objects differ and could not be corrected.
	DriftCorrectionFailedReason = "DriftCorrectionFailed"
	// DriftFightReason: another manager changes an object again and again; it is left alone for a while.
	DriftFightReason = "DriftFight"
	// DriftUnknownReason: the cluster cannot be watched at present.
	DriftUnknownReason = "DriftUnknown"
)

// KeptReason of an event: objects that are no longer wanted were not deleted, because data would be lost with them.
const KeptReason = "Kept"

// ObjectsSyncedReason of an event: some objects of a release were brought back to its revision, because a user asked for
// it.
const ObjectsSyncedReason = "ObjectsSynced"

// NotPrunedReason of an event: an object that is no longer in the source of a Kustomization was not deleted, because
// its labels or annotations say so.
const NotPrunedReason = "NotPruned"

// FieldsDroppedReason of an event: the API server did not keep fields of objects that were written.
const FieldsDroppedReason = "FieldsDropped"

// WarningReceivedReason of an event: the API server took an object and warned of something in it.
const WarningReceivedReason = "WarningReceived"

// Reasons of Kustomization.
const (
	// AppliedReason: the objects of the source's revision are applied.
	AppliedReason = "Applied"
	// PathNotFoundReason: the source has no directory spec.path.
	PathNotFoundReason = "PathNotFound"
	// BuildFailedReason: the manifests could not be read, or kustomize could not build them.
	BuildFailedReason = "BuildFailed"
	// SubstitutionFailedReason: a variable of spec.postBuild could not be substituted.
	SubstitutionFailedReason = "SubstitutionFailed"
	// DecryptionFailedReason: a file is encrypted and could not be decrypted, or nothing is said about how to.
	DecryptionFailedReason = "DecryptionFailed"
	// ValidationFailedReason: the API server would refuse an object; nothing was changed.
	ValidationFailedReason = "ValidationFailed"
	// OwnershipConflictReason: an object belongs to another Kustomization, or to a Helm release; nothing was changed.
	OwnershipConflictReason = "OwnershipConflict"
	// KindUnknownReason: the cluster does not know the kind of an object; nothing was changed, and it is tried again when
	// it does.
	KindUnknownReason = "KindUnknown"
	// NothingToApplyReason: the directory has no object any more; nothing was deleted.
	NothingToApplyReason = "NothingToApply"
	// PruneRefusedReason: an object is to be deleted that holds objects of others; nothing was changed.
	PruneRefusedReason = "PruneRefused"
	// AwaitingConfirmationReason: objects that are no longer in the source are deleted when a user confirms it.
	AwaitingConfirmationReason = "AwaitingConfirmation"
	// ApplyFailedReason: an object could not be written or deleted.
	ApplyFailedReason = "ApplyFailed"
)
