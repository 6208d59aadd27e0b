package release

import (
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/plan"
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
	// Windows are those of spec.sync.
	Windows plan.Windows
	// Live is what is known of the objects of the release at the moment.
	Live Live
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

// isOf reports whether the comparison is about a record and an input.
func (c Comparison) isOf(newest plan.Record, input plan.Input) bool {
	return newest.Digest != "" && c.record == newest.Digest && c.input == input
}

// configDigest is the digest of all values, those of valuesFiles among them.
func (in Inputs) configDigest() string { return values.DigestWith(in.Values, in.Chart.ValuesDigest) }

// SharedValues are the shared values of a pipeline among the values; nil without them.
func (in Inputs) SharedValues() *v1beta1.SharedValues {
	if in.Shared == "" {
		return nil
	}
	return &v1beta1.SharedValues{Digest: in.Shared, ConfigDigest: in.configDigest()}
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
