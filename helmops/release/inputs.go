package release

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/postrender"
	"fairlead.dev/fairlead/helmops/values"
)

// Inputs are what a release is made of, as it is wanted now.
type Inputs struct {
	// Access says on which cluster, and as whom, everything of the release is read and written.
	Access cluster.Access
	Chart  v1beta1.ChartRevision
	// Unsourced says why Chart is that of the revision that runs: the source has no answer at present. Nil otherwise.
	Unsourced error
	// Note says why Chart is not the newest that the source has; empty when it is.
	Note string
	// Held is the chart that the source has and that is not taken for now: Chart is the one that the release has. Nil
	// for none.
	Held *HeldChart
	// Shared is the digest of the shared values of a pipeline among Values; empty without them.
	Shared string
	Values map[string]any
	// Mask hides what came from Secrets.
	Mask redact.Mask
	// Origin names what sets the value at a path, for messages; it returns "" when that is not known. Nil never knows.
	Origin func(path []string) string
	// Unmasked is set when Values and Mask are not known, so that no text may be shown that can quote a secret.
	Unmasked bool
	// NamespaceTerminating is set when the namespace of the object is being deleted.
	NamespaceTerminating bool
	// Compared is what was last found out about a revision of another Helm client; the zero value is nothing.
	Compared Comparison
	// Rules judge the health of objects; nil for the usual ones. Ignore tells what may drift; nil for nothing.
	Rules  *health.Rules
	Ignore *drift.Rules
	// Live is what is known of the objects of the release at the moment.
	Live Live
	// Observe finds Live out, once it is known that no other HelmRelease owns the release. Nil when Live is given.
	Observe func() Live
}

// Live is what is known of the objects of a release, without asking for it.
type Live struct {
	// Health of the objects.
	Health plan.Health
	// Drifted are objects that have to be looked at because another client has changed them.
	Drifted []v1beta1.ResourceRef
	// AuditAt is when all objects have to be looked at; zero is never.
	AuditAt time.Time
	// Unlisted is set when the status lacks the inventory of the release, and it is time to list its objects.
	Unlisted bool
	// Probation is set for a while after a revision of another Helm client was adopted: its drift is only reported.
	Probation bool
	// NotAttributable says what else goes wrong at the same time, and may be the cause when the release is not healthy.
	NotAttributable string
}

// Comparison is the answer of a Compare.
type Comparison struct {
	// record that was compared, by digest, and input.
	record string
	input  plan.Input
	equal  bool
}

// NewComparison returns the answer of a Compare of the newest revision with the inputs.
func NewComparison(hr *v1beta1.HelmRelease, in Inputs, newest plan.Record, equal bool) Comparison {
	return Comparison{record: newest.Digest, input: inputOf(hr, in), equal: equal}
}

// inputOf is the input that is wanted.
func inputOf(hr *v1beta1.HelmRelease, in Inputs) plan.Input {
	return plan.Input{
		Chart: in.Chart.Digest, Config: values.DigestWith(in.Values, in.Chart.ValuesDigest), Render: RenderDigest(hr.Spec),
	}
}

// Differ reports whether other inputs than those a step was begun with are wanted now.
func Differ(hr *v1beta1.HelmRelease, begun, now Inputs) bool {
	if begun.Chart.Name != now.Chart.Name || !v1beta1.SameVersion(begun.Chart.Version, now.Chart.Version) ||
		values.DigestWith(begun.Values, begun.Chart.ValuesDigest) != values.DigestWith(now.Values, now.Chart.ValuesDigest) {
		return true
	}
	return begun.Chart.Digest != now.Chart.Digest && !versionOnly(hr)
}

// SharedValues are the shared values of a pipeline among the values; nil without them.
func (in Inputs) SharedValues() *v1beta1.SharedValues {
	if in.Shared == "" {
		return nil
	}
	return &v1beta1.SharedValues{
		Digest: in.Shared, ConfigDigest: values.DigestWith(in.Values, in.Chart.ValuesDigest),
	}
}

// RenderDigest returns the digest of what changes the manifests on their way from the chart to the cluster; empty when nothing
// does.
func RenderDigest(spec v1beta1.HelmReleaseSpec) string {
	return postrender.OptionsOf(spec.PostRenderers, spec.PostRenderStrategy, spec.CommonMetadata).Digest()
}

// MaskOf returns the mask for texts about a revision with the given values. What came from Secrets formerly cannot be
// told from other values any more, so that all former values that have changed are hidden when the release takes any
// from a Secret.
func MaskOf(hr *v1beta1.HelmRelease, in Inputs, former map[string]any) redact.Mask {
	fromSecret := func(r v1beta1.ValuesReference) bool { return r.Kind == "Secret" }
	if !slices.ContainsFunc(hr.Spec.ValuesFrom, fromSecret) {
		return in.Mask
	}
	return in.Mask.Join(redact.NewMask(values.Changed(former, in.Values)))
}

// Requested reports whether the user asked for a reconciliation that was not handled yet.
func Requested(hr *v1beta1.HelmRelease) bool {
	token := hr.Annotations[v1beta1.ReconcileRequestAnnotation]
	return token != "" && token != hr.Status.LastHandledReconcileAt
}

// ForceRequested returns the token of a request for one install or upgrade in any case, empty when there is none that was
// not handled yet.
func ForceRequested(hr *v1beta1.HelmRelease) string {
	return v1beta1.SpecialRequest(hr, v1beta1.ForceRequestAnnotation, hr.Status.LastHandledForceAt)
}

// ResetRequested returns the token of a request to forget failures, empty when there is none that was not handled yet.
func ResetRequested(hr *v1beta1.HelmRelease) string {
	return v1beta1.SpecialRequest(hr, v1beta1.ResetRequestAnnotation, hr.Status.LastHandledResetAt)
}

func targetOf(hr *v1beta1.HelmRelease) plan.Target {
	return plan.Target{Name: hr.GetReleaseName(), Namespace: hr.GetReleaseNamespace(), StorageNamespace: hr.GetStorageNamespace()}
}

// ownerOf is the HelmRelease as a record names its owner.
func ownerOf(hr *v1beta1.HelmRelease) plan.Owner {
	return plan.Owner{Namespace: hr.Namespace, Name: hr.Name, UID: hr.UID}
}

func desiredOf(hr *v1beta1.HelmRelease, in Inputs) plan.Desired {
	desired := plan.Desired{
		Self:                 ownerOf(hr),
		Generation:           hr.Generation,
		Deleting:             !hr.DeletionTimestamp.IsZero(),
		Suspended:            hr.Spec.Suspend,
		Orphan:               hr.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan,
		NamespaceTerminating: in.NamespaceTerminating,
		Retry:                Requested(hr),
		Force:                ForceRequested(hr) != "",
		Target:               targetOf(hr),
		Chart:                in.Chart,
		ConfigDigest:         values.DigestWith(in.Values, in.Chart.ValuesDigest),
		RenderDigest:         RenderDigest(hr.Spec),
		InPlace:              hr.GetUpgrade().ChartNameChangeStrategy == v1beta1.ChartNameInPlaceUpdate,
		Install:              plan.InstallPolicy(hr),
		Upgrade:              plan.UpgradePolicy(hr),
		Tests:                plan.TestsOf(hr),
		Timeout:              hr.GetTimeout(),
		Bake:                 hr.GetBake(),
		KeepFailed:           !hr.AutoRollbackEnabled(),
		SettingsDigest:       SettingsDigest(hr),
		Pin:                  pinOf(hr, in),
		Corrects:             hr.GetDriftMode() == v1beta1.DriftEnabled,
	}
	desired.Budget.Count, desired.Budget.Per = hr.GetRollbackBudget()
	desired.VersionOnly = versionOnly(hr)
	desired.FromRange = hr.Spec.Chart != nil && !v1beta1.HoldsDirectories(hr.Spec.Chart.Spec.SourceRef.Kind)
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

// observedOf is what a status says of the release at target, and what is known of its objects.
func observedOf(hr *v1beta1.HelmRelease, target plan.Target, live Live) plan.Observed {
	s := &hr.Status
	latest := s.Latest()
	observed := plan.Observed{
		Managed: latest != nil, Attempt: plan.AttemptOf(s), KnownBad: s.KnownBad,
		Health: live.Health, Drifted: live.Drifted, AuditAt: live.AuditAt, NotAttributable: live.NotAttributable,
		Differs:  meta.IsStatusConditionTrue(s.Conditions, v1beta1.DriftedCondition),
		Matches:  meta.IsStatusConditionFalse(s.Conditions, v1beta1.DriftedCondition),
		Unlisted: live.Unlisted, Probation: live.Probation,
	}
	if a := s.Adoption; a != nil {
		observed.Adoption = &plan.Adoption{
			Record: a.RecordDigest, Generation: a.ObservedGeneration, ChartDigest: a.ChartDigest,
			ConfigDigest: a.ConfigDigest,
		}
		if a.Until != nil {
			observed.Adoption.Until = a.Until.Time
		}
	}

	if s.Bake != nil {
		observed.Bake = &plan.Bake{Revision: int(s.Bake.Revision), Until: s.Bake.Until.Time}
	}

	for _, rollback := range s.Rollbacks {
		observed.Rollbacks = append(observed.Rollbacks, rollback.At.Time)
	}
	if latest == nil {
		return observed
	}

	former := plan.Target{Name: latest.Name, Namespace: latest.Namespace, StorageNamespace: s.StorageNamespace}
	if former != target {
		observed.Moved = &former
		return observed
	}

	observed.Recorded = int(latest.Version)
	observed.RecordedDigest = latest.Digest
	if s.LastVerified != nil {
		observed.Verified = int(s.LastVerified.Revision)
	}

	return observed
}

// withLive returns what is known with a new look at the live objects, which may have changed the status of the object.
func withLive(observed plan.Observed, hr *v1beta1.HelmRelease, target plan.Target, live Live) plan.Observed {
	fresh := observedOf(hr, target, live)
	fresh.History = observed.History
	fresh.Manifest = observed.Manifest
	fresh.Owner = observed.Owner
	fresh.Moved = observed.Moved
	fresh.Managed = observed.Managed
	return fresh
}

// see returns what is known with the history added.
func see(
	observed plan.Observed, hr *v1beta1.HelmRelease, desired plan.Desired, in Inputs, records []plan.Record,
) plan.Observed {
	observed.History = &plan.History{Records: annotated(hr, records)}
	if newest := observed.History.Newest(); newest != nil && newest.Digest != "" &&
		in.Compared == (Comparison{record: newest.Digest, input: desired.Input(), equal: in.Compared.equal}) {
		observed.Manifest = &in.Compared.equal
	}
	return observed
}

// annotated returns the records with what only status remembers of them.
func annotated(hr *v1beta1.HelmRelease, records []plan.Record) []plan.Record {
	known := map[int]v1beta1.Snapshot{}
	for _, s := range hr.Status.History {
		known[int(s.Version)] = s
	}

	out := slices.Clone(records)
	for i := range out {
		r := &out[i]
		had := known[r.Version]
		if r.Action == "" {
			r.Action = plan.Step(had.Action)
		}

		if r.Chart.Digest == "" && had.Digest == r.Digest {
			r.Chart.Digest = had.ChartDigest
			r.RenderDigest = had.RenderDigest
		}
	}

	return out
}
