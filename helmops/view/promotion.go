package view

import (
	"cmp"
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// ReceiverRow is one Receiver in a list.
type ReceiverRow struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Ready is true exactly when Phase is Ready.
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Suspended repeats spec.suspend.
	Suspended bool   `json:"suspended"`
	Type      string `json:"type"`
	// Objects is how many entries spec.resources has.
	Objects   int         `json:"objects"`
	CreatedAt metav1.Time `json:"createdAt"`
}

// NewReceiverRow projects a Receiver.
func NewReceiverRow(r *v1beta1.Receiver) ReceiverRow {
	phase := PhaseOf(r)
	return ReceiverRow{
		Namespace: r.Namespace, Name: r.Name, Phase: phase, Ready: phase == Ready,
		Reason: reasonOf(r), Message: messageOf(r),
		Suspended: r.Spec.Suspend, Type: r.Spec.Type, Objects: len(r.Spec.Resources), CreatedAt: r.CreationTimestamp,
	}
}

// ReceiverStatus is everything one screen shows of a Receiver.
type ReceiverStatus struct {
	ReceiverRow
	// WebhookPath is the path of the address to call.
	WebhookPath string `json:"webhookPath,omitempty"`
	// Events that count; all when there are none.
	Events []string `json:"events,omitempty"`
	// Resources are reconciled when the receiver is called. One for all objects of a kind has the name *.
	Resources  []Reference `json:"resources"`
	Conditions []Condition `json:"conditions"`
	Next       Next        `json:"next"`
}

// Receiver reads one Receiver.
func (r Reader) Receiver(ctx context.Context, key types.NamespacedName) (ReceiverStatus, error) {
	var receiver v1beta1.Receiver
	if err := r.get(ctx, v1beta1.ReceiverKind, key, &receiver); err != nil {
		return ReceiverStatus{}, err
	}
	return NewReceiverStatus(&receiver), nil
}

// NewReceiverStatus projects a Receiver.
func NewReceiverStatus(r *v1beta1.Receiver) ReceiverStatus {
	out := ReceiverStatus{
		ReceiverRow: NewReceiverRow(r), WebhookPath: r.Status.WebhookPath, Events: r.Spec.Events,
		Resources: []Reference{}, Conditions: conditionsOf(r),
		Next: Next{Action: NextReconcile, Message: "a request to its path makes the controller reconcile its resources"},
	}
	for _, resource := range r.Spec.Resources {
		out.Resources = append(out.Resources, Reference{
			Kind: resource.Kind, Namespace: cmp.Or(resource.Namespace, r.Namespace), Name: resource.Name,
		})
	}

	if out.Phase != Ready {
		out.Next = nextOfObject(r, shortDuration(r.GetInterval()))
	}

	return out
}

// PipelineStatus is everything one screen shows of a ReleasePipeline.
type PipelineStatus struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Phase     Phase  `json:"phase"`
	// Ready is true exactly when Phase is Ready.
	Ready     bool   `json:"ready"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
	Suspended bool   `json:"suspended"`
	// SourceStatus is how the source of the subject is, Chart the name of the chart; empty for several charts.
	SourceStatus *Related `json:"sourceStatus,omitempty"`
	Chart        string   `json:"chart,omitempty"`
	// Newest is the version of the newest candidate.
	Newest     string      `json:"newest,omitempty"`
	Stages     []StageRow  `json:"stages"`
	Conditions []Condition `json:"conditions"`
	Next       Next        `json:"next"`
}

// Pipeline reads one ReleasePipeline and its source. Only the pipeline has to be readable.
func (r Reader) Pipeline(ctx context.Context, key types.NamespacedName) (PipelineStatus, error) {
	var p v1beta1.ReleasePipeline
	if err := r.get(ctx, v1beta1.ReleasePipelineKind, key, &p); err != nil {
		return PipelineStatus{}, err
	}
	return NewPipelineStatus(&p, r.sourceOf(ctx, &p)), nil
}

// NewPipelineStatus projects a ReleasePipeline and its source.
func NewPipelineStatus(p *v1beta1.ReleasePipeline, source *Related) PipelineStatus {
	phase := PhaseOf(p)
	out := PipelineStatus{
		Namespace: p.Namespace, Name: p.Name, Phase: phase, Ready: phase == Ready,
		Reason: reasonOf(p), Message: messageOf(p),
		Suspended: p.Spec.Suspend, SourceStatus: source, Chart: p.Spec.Subject.Chart, Stages: orEmpty(StageRows(p)),
		Conditions: conditionsOf(p), Next: nextOfObject(p, ""),
	}
	if len(p.Status.Candidates) > 0 {
		out.Newest = p.Status.Candidates[0].Version
	}

	if phase == Ready {
		out.Next = Next{
			Action:  NextReconcile,
			Message: "a new candidate of the source is promoted from stage to stage as it passes the gates",
		}
	}

	return out
}

// PromotionStatus is everything one screen shows of a Promotion.
type PromotionStatus struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Pipeline  string `json:"pipeline"`
	Stage     string `json:"stage"`
	// Phase is that of status.phase, Pending before there is one.
	Phase string `json:"phase"`
	// Ready is true exactly when the candidate is verified, Final when the phase does not change any more.
	Ready   bool   `json:"ready"`
	Final   bool   `json:"final"`
	Message string `json:"message,omitempty"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// ValuesDigest is that of the shared values; empty without them.
	ValuesDigest string               `json:"valuesDigest,omitempty"`
	Cause        string               `json:"cause"`
	Reason       string               `json:"reason,omitempty"`
	RequestedBy  string               `json:"requestedBy,omitempty"`
	Bypass       []string             `json:"bypass,omitempty"`
	Gates        []v1beta1.GateStatus `json:"gates,omitempty"`
	ApprovedBy   []string             `json:"approvedBy,omitempty"`
	CreatedAt    metav1.Time          `json:"createdAt"`
	StartedAt    *metav1.Time         `json:"startedAt,omitempty"`
	FinishedAt   *metav1.Time         `json:"finishedAt,omitempty"`
}

// Promotion reads one Promotion.
func (r Reader) Promotion(ctx context.Context, key types.NamespacedName) (PromotionStatus, error) {
	var p v1beta1.Promotion
	if err := r.get(ctx, v1beta1.PromotionKind, key, &p); err != nil {
		return PromotionStatus{}, err
	}
	return NewPromotionStatus(&p), nil
}

// NewPromotionStatus projects a Promotion.
func NewPromotionStatus(p *v1beta1.Promotion) PromotionStatus {
	return PromotionStatus{
		Namespace: p.Namespace, Name: p.Name, Pipeline: p.Spec.Pipeline, Stage: p.Spec.Stage,
		Phase: cmp.Or(p.Status.Phase, string(Pending)), Ready: p.Status.Phase == v1beta1.PromotionVerified,
		Final:   p.IsFinal(),
		Message: status.Message(p), Version: p.Spec.Version, Digest: p.Spec.Digest, ValuesDigest: p.Spec.ValuesDigest,
		Cause: p.Spec.Cause, Reason: p.Spec.Reason, RequestedBy: p.Spec.RequestedBy, Bypass: p.Spec.Bypass,
		Gates: p.Status.Gates, ApprovedBy: p.Status.ApprovedBy, CreatedAt: p.CreationTimestamp,
		StartedAt: p.Status.StartedAt, FinishedAt: p.Status.FinishedAt,
	}
}

// Phases of a ReleaseFreeze.
const (
	FreezeActive  = "Active"
	FreezePlanned = "Planned"
	FreezeEnded   = "Ended"
)

// FreezeStatus is everything one screen shows of a ReleaseFreeze.
type FreezeStatus struct {
	Name string `json:"name"`
	// Phase is Active, Planned or Ended.
	Phase  string `json:"phase"`
	Active bool   `json:"active"`
	Reason string `json:"reason"`
	// Namespaces and Selector choose what is frozen; all without them.
	Namespaces []string     `json:"namespaces,omitempty"`
	Selector   string       `json:"selector,omitempty"`
	From       *metav1.Time `json:"from,omitempty"`
	Until      *metav1.Time `json:"until,omitempty"`
	CreatedAt  metav1.Time  `json:"createdAt"`
}

// Freeze reads one ReleaseFreeze, as it is at a time.
func (r Reader) Freeze(ctx context.Context, name string, now time.Time) (FreezeStatus, error) {
	var f v1beta1.ReleaseFreeze
	if err := r.get(ctx, v1beta1.ReleaseFreezeKind, types.NamespacedName{Name: name}, &f); err != nil {
		return FreezeStatus{}, err
	}
	return NewFreezeStatus(&f, now), nil
}

// NewFreezeStatus projects a ReleaseFreeze as it is at a time.
func NewFreezeStatus(f *v1beta1.ReleaseFreeze, now time.Time) FreezeStatus {
	out := FreezeStatus{
		Name: f.Name, Phase: FreezeActive, Reason: f.Spec.Reason, Namespaces: f.Spec.Namespaces, From: f.Spec.From,
		Until: f.Spec.Until, CreatedAt: f.CreationTimestamp,
	}
	if f.Spec.Selector != nil {
		out.Selector = metav1.FormatLabelSelector(f.Spec.Selector)
	}

	switch {
	case f.Spec.From != nil && f.Spec.From.After(now):
		out.Phase = FreezePlanned
	case f.Spec.Until != nil && !now.Before(f.Spec.Until.Time):
		out.Phase = FreezeEnded
	}

	out.Active = out.Phase == FreezeActive
	return out
}
