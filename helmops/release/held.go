package release

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// HeldChart is a chart that the source has and that a release does not take for now.
type HeldChart struct {
	// Chart that the source has.
	Chart v1beta1.ChartRevision
	// Shared is the digest of the shared values of a pipeline that go with it, and Values are all values with these
	// among them; zero where the release has no shared values.
	Shared string
	Values map[string]any
	// Hold is why it is not taken.
	Hold plan.Hold
}

// Released reports whether a revision of a release was good once.
func Released(s *v1beta1.HelmReleaseStatus) bool {
	return s.LastVerified != nil || slices.ContainsFunc(s.History, func(r v1beta1.Snapshot) bool {
		return r.Status == plan.StatusDeployed || r.Status == plan.StatusSuperseded
	})
}

// Hold decides whether the release takes the chart of the inputs, and has it keep its present one when not.
func (in *Inputs) Hold(facts plan.UpgradeFacts, now time.Time) {
	hold, held := plan.HoldBack(facts, now)
	if !held {
		return
	}
	in.Held = &HeldChart{Chart: facts.Wanted, Hold: hold}
	in.keep(facts.Present)
}

// HoldShared has the release keep the chart and the values that it has, those of the inputs, instead of those of held.
func (in *Inputs) HoldShared(held HeldChart, present v1beta1.ChartRevision) {
	in.Held = &held
	in.keep(present)
}

func (in *Inputs) keep(present v1beta1.ChartRevision) {
	hold := in.Held.Hold
	wanted := in.Held.Chart
	in.Chart = present
	in.Note = "it stays at this chart, and does not take version " + wanted.Version + ": " +
		hold.Reason + ": " + hold.Message
}

// Unheld are the inputs as a step sees them that has begun: what it brings is not held any more.
func (in Inputs) Unheld(begun Inputs) Inputs {
	held := in.Held
	switch {
	case held == nil, held.Chart.Digest != begun.Chart.Digest:
	case held.Values == nil:
		in.Chart = held.Chart
	case held.Shared == begun.Shared:
		in.Chart = held.Chart
		in.Values = held.Values
		in.Shared = held.Shared
	}

	return in
}

// Status is the chart as the status shows it; nil for none.
func (h *HeldChart) Status() *v1beta1.HeldChart {
	if h == nil {
		return nil
	}

	out := &v1beta1.HeldChart{
		ChartVersion: h.Chart.Version, ChartDigest: h.Chart.Digest, Reason: h.Hold.Reason, Message: h.Hold.Message,
	}
	if !h.Hold.Until.IsZero() {
		until := metav1.NewTime(h.Hold.Until)
		out.Until = &until
	}

	return out
}
