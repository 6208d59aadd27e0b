package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/approval"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/values"
)

// askedOf is what the object itself asks for, before it is known what the release is made of.
func askedOf(hr *v1beta1.HelmRelease) plan.Desired {
	return plan.Desired{
		Self:       ownerOf(hr),
		Generation: hr.Generation,
		Deleting:   !hr.DeletionTimestamp.IsZero(),
		Suspended:  hr.Spec.Suspend,
		Cancel:     CancelRequested(hr) != "",
		Orphan:     hr.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan,
		Target:     targetOf(hr),
	}
}

// desiredOf is what the object asks for with the inputs, whose digest is given.
func desiredOf(hr *v1beta1.HelmRelease, in Inputs, inputDigest string) plan.Desired {
	desired := askedOf(hr)
	desired.NamespaceTerminating = in.NamespaceTerminating
	desired.Retry = Requested(hr)
	desired.Force = ForceRequested(hr) != ""
	desired.Selected = selectedOf(hr)
	desired.Pin = pinOf(hr, inputDigest)

	desired.Chart = in.Chart
	desired.ConfigDigest = in.configDigest()
	desired.RenderDigest = RenderDigest(hr.Spec)
	desired.SettingsDigest = SettingsDigest(hr)
	desired.VersionOnly = versionOnly(hr)
	desired.FromRange = hr.Spec.Chart != nil && !v1beta1.HoldsDirectories(hr.Spec.Chart.Spec.SourceRef.Kind)

	desired.Install = plan.InstallPolicy(hr)
	desired.Upgrade = plan.UpgradePolicy(hr)
	desired.Tests = plan.TestsOf(hr)
	desired.InPlace = hr.GetUpgrade().ChartNameChangeStrategy == v1beta1.ChartNameInPlaceUpdate
	desired.Timeout = hr.GetTimeout()
	desired.Bake = hr.GetBake()
	desired.KeepFailed = !hr.AutoRollbackEnabled()
	desired.Budget.Count, desired.Budget.Per = hr.GetRollbackBudget()
	desired.Sync = approval.SyncOf(hr.Spec.Sync)
	desired.Sync.Preview = v1beta1.IsPreviewed(hr)
	desired.Windows = in.Windows
	if token, _ := v1beta1.WindowOverride(hr, hr.Status.LastHandledOverrideAt); token != "" {
		desired.Windows.Override = true
	}

	desired.Windows.InstallLasts = hr.GetInstall().Timeout.Duration
	desired.Windows.UpgradeLasts = hr.GetUpgrade().Timeout.Duration
	desired.Corrects = hr.GetDriftMode() == v1beta1.DriftEnabled
	return desired
}

// versionOnly reports whether two charts of one version are equal, whatever their digests.
func versionOnly(hr *v1beta1.HelmRelease) bool {
	if hr.Spec.Chart == nil {
		return false
	}
	spec := hr.Spec.Chart.Spec
	return v1beta1.HoldsDirectories(spec.SourceRef.Kind) && spec.ReconcileStrategy != v1beta1.ReconcileStrategyRevision
}

func targetOf(hr *v1beta1.HelmRelease) plan.Target {
	return plan.Target{
		Name: hr.GetReleaseName(), Namespace: hr.GetReleaseNamespace(), StorageNamespace: hr.GetStorageNamespace(),
	}
}

// ownerOf is the HelmRelease as a record names its owner.
func ownerOf(hr *v1beta1.HelmRelease) plan.Owner {
	return plan.Owner{Namespace: hr.Namespace, Name: hr.Name, UID: hr.UID}
}

// pinOf returns the request of a user as long as it holds: against any other input it says nothing.
func pinOf(hr *v1beta1.HelmRelease, inputDigest string) *plan.Pin {
	request, err := RollbackRequested(hr)
	if err != nil || request == nil || request.InputDigest != inputDigest {
		return nil
	}
	return &plan.Pin{Revision: request.Revision, Reason: request.Reason}
}

// RollbackRequested reads the request of a user for a former revision; nil when there is none.
func RollbackRequested(hr *v1beta1.HelmRelease) (*v1beta1.RollbackRequest, error) {
	text, is := hr.Annotations[v1beta1.RollbackRequestAnnotation]
	if !is || text == "" {
		return nil, nil
	}

	request := &v1beta1.RollbackRequest{}
	if err := json.Unmarshal([]byte(text), request); err != nil {
		return nil, fmt.Errorf("annotation %s is not JSON: %w", v1beta1.RollbackRequestAnnotation, err)
	}
	if request.Revision < 1 || request.InputDigest == "" {
		const needs = "annotation %s needs a revision above 0 and an inputDigest"
		return nil, fmt.Errorf(needs, v1beta1.RollbackRequestAnnotation)
	}

	return request, nil
}

// Requested reports whether the user asked for a reconciliation that was not handled yet.
func Requested(hr *v1beta1.HelmRelease) bool {
	token := hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	return token != "" && token != hr.Status.LastHandledReconcileAt && !v1beta1.OnlyCancels(hr) &&
		!v1beta1.OnlySyncsObjects(hr)
}

// selectedOf are the objects of the release that the user asked to sync, in a request that was not handled yet.
func selectedOf(hr *v1beta1.HelmRelease) []v1beta1.ResourceRef {
	token, ids := v1beta1.ObjectSyncRequest(hr, hr.Status.LastHandledSyncObjectsAt)
	if token == "" || hr.Status.Inventory == nil {
		return nil
	}

	var out []v1beta1.ResourceRef
	for _, ref := range hr.Status.Inventory.Entries {
		if slices.Contains(ids, ref.ID) {
			out = append(out, ref)
		}
	}

	return out
}

// CancelRequested returns the token of a request to end the step that is running, empty when there is none that was
// not handled yet.
func CancelRequested(hr *v1beta1.HelmRelease) string {
	token, _ := v1beta1.CancelRequest(hr, hr.Status.LastHandledCancelAt)
	return token
}

// ForceRequested returns the token of a request for one install or upgrade in any case, empty when there is none that
// was not handled yet.
func ForceRequested(hr *v1beta1.HelmRelease) string {
	return v1beta1.SpecialRequest(hr, v1beta1.ForceRequestAnnotation, hr.Status.LastHandledForceAt)
}

// ResetRequested returns the token of a request to forget failures, empty when there is none that was not handled yet.
func ResetRequested(hr *v1beta1.HelmRelease) string {
	return v1beta1.SpecialRequest(hr, v1beta1.ResetRequestAnnotation, hr.Status.LastHandledResetAt)
}

// InputDigest returns the digest of what a release is made from: the chart, the values and the post renderers. It is
// empty without a chart.
func InputDigest(hr *v1beta1.HelmRelease, in Inputs) string {
	if in.Chart.Name == "" {
		return ""
	}

	chart := in.Chart.Digest
	if versionOnly(hr) {
		chart = in.Chart.Version
	}
	return digest(in.Chart.Name, chart, values.Digest(in.Values), RenderDigest(hr.Spec))
}

// SettingsDigest returns the digest of the settings under which an input succeeds or fails: timeouts, waits, tests,
// health and remediation.
func SettingsDigest(hr *v1beta1.HelmRelease) string {
	s := hr.Spec
	parts := []any{
		s.Timeout, s.Install, s.Upgrade, s.Test, s.Rollback, s.HealthCheckExprs, s.Bake, s.Preflight, s.AutoRollback,
	}
	if hr.WaitsAsHelm() {
		parts = append(parts, s.WaitStrategy)
	}
	return digest(parts...)
}

// RenderDigest returns the digest of what changes the manifests on their way from the chart to the cluster; empty
// when nothing does.
func RenderDigest(spec v1beta1.HelmReleaseSpec) string {
	return postrender.OptionsOf(spec.PostRenderers, spec.PostRenderStrategy, spec.CommonMetadata).Digest()
}

func digest(parts ...any) string {
	content, err := json.Marshal(parts)
	if err != nil {
		content = fmt.Append(nil, parts...) // every part is a type of the API
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}
