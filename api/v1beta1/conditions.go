package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Condition types. Ready, Reconciling and Stalled follow the kstatus contract: Reconciling and Stalled are present
// only while they are True, so that `kubectl wait` and every kstatus reader understand our objects.
const (
	// ReadyCondition sums up the object: what is wanted has been reached.
	ReadyCondition = "Ready"
	// ReconcilingCondition is True while work towards the wanted state is under way or will be tried again.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when only a change of the object, or of what it refers to, can help.
	StalledCondition = "Stalled"
	// ReleasedCondition tells the result of the last install or upgrade of a HelmRelease.
	ReleasedCondition = "Released"
	// TestSuccessCondition reports how the tests of the newest revision of a HelmRelease ended.
	TestSuccessCondition = "TestSuccess"
	// RemediatedCondition reports how undoing a failed install or upgrade of a HelmRelease ended; it is there only while
	// the last thing that was done was to undo one.
	RemediatedCondition = "Remediated"
	// HealthyCondition follows the live objects of a HelmRelease all the time.
	HealthyCondition = "Healthy"
	// VerifiedCondition is True when the newest revision of a HelmRelease has stayed healthy for spec.bake.
	VerifiedCondition = "Verified"
	// DriftedCondition is True while objects of a HelmRelease differ from its manifest.
	DriftedCondition = "Drifted"
	// PrunedCondition is False on a Kustomization while objects that its source no longer has wait for the confirmation
	// of their deletion; it is absent otherwise.
	PrunedCondition = "Pruned"
	// SourceVerifiedCondition reports of a source with spec.verify whether what it has in the cache is signed by whom it
	// has to be.
	SourceVerifiedCondition = "SourceVerified"
	// ArtifactInStorageCondition is True on a source while its artifact is in the cache.
	ArtifactInStorageCondition = "ArtifactInStorage"
)

// Annotations that a user or the CLI sets.
const (
	// ReconcileRequestAnnotation asks for a reconciliation at once. Any new value counts as one request; it is echoed
	// as status.lastHandledReconcileAt.
	ReconcileRequestAnnotation = "fairlead.dev/requestedAt"
	// ForceRequestAnnotation asks for one install or upgrade even when nothing changed, and on a Kustomization for one
	// attempt that replaces objects with a field that cannot be changed. It counts while it equals the request
	// annotation; it is echoed as status.lastHandledForceAt.
	ForceRequestAnnotation = "fairlead.dev/forceAt"
	// ResetRequestAnnotation asks to forget failed attempts, so that a stalled release is retried. It counts while it
	// equals the request annotation; it is echoed as status.lastHandledResetAt.
	ResetRequestAnnotation = "fairlead.dev/resetAt"
	// OverrideWindowAnnotation asks for one attempt although no window of spec.sync is open, where the windows say
	// manual. It counts while it equals the request annotation and OverrideReasonAnnotation says why; it is echoed as
	// status.lastHandledOverrideAt.
	OverrideWindowAnnotation = "fairlead.dev/overrideWindowAt"
	// OverrideReasonAnnotation is why a user overrides the windows, in the words of the user.
	OverrideReasonAnnotation = "fairlead.dev/overrideWindowReason"
	// SuspendReasonAnnotation is why spec.suspend is set, in the words of the user. It counts while spec.suspend is
	// set, and the controller does not look at it.
	SuspendReasonAnnotation = "fairlead.dev/suspendReason"
	// PreviewAnnotation with the value enabled has the controller compute the plan of each change of a HelmRelease or a
	// Kustomization before it makes the change, although no plan has to wait for an approval.
	PreviewAnnotation = "fairlead.dev/preview"
)

// IsPreviewed reports whether an object has PreviewAnnotation.
func IsPreviewed(object metav1.Object) bool {
	return object.GetAnnotations()[PreviewAnnotation] == Enabled
}

// AppliedAnnotation is a digest of what the controller of ArtifactGenerators applied to an ExternalArtifact last.
const AppliedAnnotation = "fairlead.dev/applied"

// SpecialRequest returns the token of a request that asks for more than a reconciliation; empty when there is none
// that was not handled yet. It counts together with the plain request only, so that an annotation that is kept in Git
// does not repeat it.
func SpecialRequest(object metav1.Object, annotation, handled string) string {
	token := object.GetAnnotations()[annotation]
	if token == handled || token != object.GetAnnotations()[ReconcileRequestAnnotation] {
		return ""
	}
	return token
}

// WindowOverride returns the token and the reason of a request that overrides the windows of spec.sync; both are empty
// when there is none that was not handled yet, or when it has no reason.
func WindowOverride(object metav1.Object, handled string) (token, reason string) {
	token = SpecialRequest(object, OverrideWindowAnnotation, handled)
	reason = object.GetAnnotations()[OverrideReasonAnnotation]
	if token == "" || reason == "" {
		return "", ""
	}
	return token, reason
}

// Finalizer keeps a HelmRelease until its Helm release has been uninstalled, and a Kustomization until its objects are
// deleted.
const Finalizer = "fairlead.dev/finalizer"

// FormerFinalizer is the finalizer of earlier versions. API servers warn about it, because it has no path. The
// controllers replace it, and objects that are being deleted with it can go.
const FormerFinalizer = "finalizers.fairlead.dev"

// Conditioned is an object whose conditions the status writer may set.
// +kubebuilder:object:generate=false
type Conditioned interface {
	metav1.Object
	GetConditions() []metav1.Condition
	SetConditions([]metav1.Condition)
}

// ReconcileRequest is embedded in every status; it answers the request annotation.
type ReconcileRequest struct {
	// LastHandledReconcileAt is the value of the annotation fairlead.dev/requestedAt that was handled last.
	// +kubebuilder:validation:MaxLength=262144
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}
