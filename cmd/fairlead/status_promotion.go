package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// promotionStatusOf reads the status of a pipeline, a promotion, a freeze or a receiver.
func (a *app) promotionStatusOf(
	ctx context.Context, reader view.Reader, k kind, key types.NamespacedName,
) (statusReport, error) {
	switch k.name {
	case v1beta1.ReceiverKind:
		s, err := reader.Receiver(ctx, key)
		return statusReport{s, a.receiverScreen(s), s.Ready}, err
	case v1beta1.ReleasePipelineKind:
		s, err := reader.Pipeline(ctx, key)
		return statusReport{s, a.pipelineScreen(s), s.Ready}, err
	case v1beta1.PromotionKind:
		s, err := reader.Promotion(ctx, key)
		return statusReport{s, a.promotionScreen(s), s.Ready}, err
	default:
		s, err := reader.Freeze(ctx, key.Name, a.now())
		// A freeze is what was asked for, whether or not it holds anything now.
		return statusReport{s, a.freezeScreen(s), true}, err
	}
}

func (a *app) receiverScreen(r view.ReceiverStatus) *screen {
	s := &screen{}
	s.add("Receiver", r.Namespace+"/"+r.Name)
	addPhase(s, r.Phase, "")
	a.addConditions(s, r.Conditions)
	s.add("Message", orNone(r.Message))
	s.add("Type", r.Type)
	s.add("Path", orNone(r.WebhookPath))
	s.add("Events", cmp.Or(strings.Join(r.Events, ", "), "all"))
	lines := make([]string, 0, len(r.Resources))
	for _, resource := range r.Resources {
		lines = append(lines, resource.String())
	}

	s.add("Reconciles", lines...)
	s.add("Next", a.nextLine(r.Next))
	return s
}

func (a *app) pipelineScreen(p view.PipelineStatus) *screen {
	s := &screen{}
	s.add("Pipeline", p.Namespace+"/"+p.Name)
	addPhase(s, p.Phase, "")
	a.addConditions(s, p.Conditions)
	s.add("Message", orNone(p.Message))
	s.add("Source", sourceLines(p.SourceStatus)...)
	s.add("Newest", orNone(p.Newest))
	lines := make([]string, 0, len(p.Stages))
	for _, stage := range p.Stages {
		lines = append(lines, a.stageLine(stage))
	}

	s.add("Stages", lines...)
	s.add("Next", a.nextLine(p.Next))
	s.add("Gates", fmt.Sprintf("fairlead explain pipeline %s -n %s", p.Name, p.Namespace))
	return s
}

// stageLine is a stage in one line.
func (a *app) stageLine(r view.StageRow) string {
	line := r.Stage + " is " + r.Phase
	if r.Version != "" {
		line += fmt.Sprintf(", has %s for %s", r.Version, orNone(a.age(r.Since)))
	}
	if r.Message != "" {
		line += ": " + r.Message
	}
	return line
}

func (a *app) promotionScreen(p view.PromotionStatus) *screen {
	s := &screen{}
	s.add("Promotion", p.Namespace+"/"+p.Name)
	s.addState("Phase", p.Phase, p.Phase)
	s.add("Message", orNone(p.Message))
	s.add("Into", fmt.Sprintf("pipeline %s, stage %s", p.Pipeline, p.Stage))
	candidate := fmt.Sprintf("%s (%s)", cmp.Or(p.Version, "-"), digestsOf(p.Digest, p.ValuesDigest))
	s.add("Candidate", strings.TrimSuffix(candidate, " ()"))
	cause := p.Cause
	if p.RequestedBy != "" {
		cause += ", requested by " + p.RequestedBy
	}
	if p.Reason != "" {
		cause += ": " + p.Reason
	}

	s.add("Cause", cause)
	if len(p.Bypass) > 0 {
		s.add("Bypasses", strings.Join(p.Bypass, ", "))
	}

	lines := make([]string, 0, len(p.Gates))
	for _, g := range p.Gates {
		lines = append(lines, fmt.Sprintf("%s %s: %s", g.Name, g.Result, g.Message))
	}

	s.add("Gates", lines...)
	if len(p.ApprovedBy) > 0 {
		s.add("Approved by", strings.Join(p.ApprovedBy, ", "))
	}

	s.add("Created", orNone(a.age(&p.CreatedAt))+" ago")
	if p.FinishedAt != nil {
		s.add("Finished", orNone(a.age(p.FinishedAt))+" ago")
	}

	s.add("Next", promotionNext(p))
	return s
}

// promotionNext says what happens next to a promotion.
func promotionNext(p view.PromotionStatus) string {
	switch {
	case p.Final:
		return "nothing: it has ended, and stays as a record"
	case p.Phase == v1beta1.PromotionVerifying:
		return "it is Verified when the HelmReleases of the stage have verified the candidate"
	default:
		return fmt.Sprintf("the stage gets the candidate when it passes the gates: "+
			"fairlead explain pipeline %s -n %s --stage %s", p.Pipeline, p.Namespace, p.Stage)
	}
}

func (a *app) freezeScreen(f view.FreezeStatus) *screen {
	s := &screen{}
	s.add("Freeze", f.Name)
	s.addState("Phase", f.Phase, f.Phase)
	s.add("Reason", f.Reason)
	s.add("Namespaces", cmp.Or(strings.Join(f.Namespaces, ", "), "all"))
	s.add("Selector", cmp.Or(f.Selector, "all pipelines and HelmReleases in them"))
	s.add("From", cmp.Or(timeText(f.From), "its creation"))
	s.add("Until", cmp.Or(timeText(f.Until), "it is deleted"))
	s.add("Next", a.freezeNext(f))
	return s
}

// freezeNext says what happens next to a freeze.
func (a *app) freezeNext(f view.FreezeStatus) string {
	switch {
	case f.Phase == view.FreezePlanned:
		return a.when(f.From) + ": it holds promotions and new charts"
	case f.Phase == view.FreezeEnded:
		return "nothing: it has ended; to remove it: fairlead unfreeze " + f.Name
	case f.Until == nil:
		return "it holds promotions and new charts until it is removed: fairlead unfreeze " + f.Name
	default:
		return a.when(f.Until) + ": it ends, and what it holds continues"
	}
}

// promotionReason is what a list says of a promotion: why the stage does not get the candidate, else why it was promoted.
func promotionReason(p *v1beta1.Promotion) string {
	ready := meta.FindStatusCondition(p.Status.Conditions, v1beta1.ReadyCondition)
	unfulfilled := p.Status.Phase == v1beta1.PromotionFailed || p.Status.Phase == v1beta1.PromotionWaiting
	if !unfulfilled || ready == nil {
		return p.Spec.Reason
	}

	// The row has the stage and the version, which come first.
	if _, why, found := strings.Cut(ready.Message, " is not promoted: "); found {
		return why
	}

	return ready.Message
}
