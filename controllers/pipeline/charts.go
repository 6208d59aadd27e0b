package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// members are the pipelines in the namespace of a pipeline of several charts: its own ones, by name, and the names of
// all others.
type members struct {
	own   map[string]*v1beta1.ReleasePipeline
	taken map[string]bool
}

// expand makes a pipeline for each chart of one that has several, and sums up how they are. While it is suspended, so
// are they, and none is made or deleted.
func (h *handler) expand(ctx context.Context, p *v1beta1.ReleasePipeline) (time.Duration, error) {
	now := h.now().Truncate(time.Second)
	all, err := h.members(ctx, p)
	if err != nil {
		return 0, err
	}
	if p.Spec.Suspend {
		return 0, h.suspendMembers(ctx, p, all)
	}

	status.PipelineObserved(p)
	if reason, message := h.wrong(p); message != "" {
		status.Stalled(p, reason, message, now)
		return 0, nil
	}

	status.PipelineCandidates(p, nil)
	status.PipelineStages(p, nil)
	if err := errors.Join(h.prune(ctx, p, ""), h.refuseRequests(ctx, p)); err != nil {
		return 0, err
	}

	names, listing := h.listed(ctx, p)
	plan := h.chartsOf(ctx, p, all, names, listing != nil).Assign()
	done, err := h.carryOut(ctx, p, &plan, all)
	h.recordEvent(p, done)
	if err == nil {
		err = h.forward(ctx, p, all)
	}

	h.recordEvent(p, refusals(p.Status.Charts, plan.Refused))
	status.PipelineCharts(p, chartsStatus(plan, all))
	concludeCharts(p, plan, all, listing, now)
	return 0, err
}

// wrong says what in the spec of a pipeline of several charts keeps the controller from making their pipelines; the
// message is empty for nothing.
func (h *handler) wrong(p *v1beta1.ReleasePipeline) (reason, message string) {
	if owner := metav1.GetControllerOf(p); owner != nil && owner.Kind == v1beta1.ReleasePipelineKind {
		return v1beta1.InvalidReferenceReason, fmt.Sprintf("ReleasePipeline %s made this pipeline for one chart, "+
			"so it cannot have spec.subject.charts; the controller changes it back", owner.Name)
	}

	if message := v1beta1.UnsupportedMessage(p); message != "" {
		return v1beta1.UnsupportedReason, message
	}

	_, err := h.checks.of(p)
	if wrong := check(p); wrong != nil {
		err = wrong
	}
	if err == nil {
		return "", ""
	}
	if reason = sources.Reason(err); reason == "" {
		reason = v1beta1.InvalidReferenceReason
	}

	return reason, err.Error()
}

// members reads the pipelines of the namespace from the cache.
func (h *handler) members(ctx context.Context, p *v1beta1.ReleasePipeline) (members, error) {
	all := members{own: map[string]*v1beta1.ReleasePipeline{}, taken: map[string]bool{}}
	list := &v1beta1.ReleasePipelineList{}
	if err := h.cached.List(ctx, list, client.InNamespace(p.Namespace)); err != nil {
		return all, fmt.Errorf("listing the pipelines of the charts: %w", err)
	}

	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], p) {
			all.own[list.Items[i].Name] = &list.Items[i]
		} else {
			all.taken[list.Items[i].Name] = true
		}
	}

	return all, nil
}

// listed are the charts of the index that the pipeline includes. The error says why they are not known, or that there
// are none.
func (h *handler) listed(ctx context.Context, p *v1beta1.ReleasePipeline) ([]string, error) {
	choice := catalog.ChoiceOfPipeline(p)
	if choice == (catalog.ChartRef{}) {
		return nil, nil
	}
	names, err := h.charts.Names(ctx, choice)
	if err == nil && len(names) == 0 {
		err = sources.Fail(v1beta1.NotFoundReason, nil, "the index has none of %s", choice)
	}
	return names, err
}

// chartsOf are the facts about the charts of a pipeline.
func (h *handler) chartsOf(
	ctx context.Context, p *v1beta1.ReleasePipeline, all members, listed []string, partial bool,
) promotion.Charts {
	c := promotion.Charts{
		Pipeline: p.Name, Names: p.Spec.Subject.Charts.Names, Matched: listed, Partial: partial, Taken: all.taken,
	}
	for _, s := range p.Spec.Stages {
		c.Stages = append(c.Stages, s.Name)
	}

	for _, name := range sortedNames(all.own) {
		member := all.own[name]
		c.Members = append(c.Members, promotion.Member{
			Name: name, Chart: chartOf(member), Used: h.isUsed(ctx, member),
		})
	}

	return c
}

// chartOf is the name of the chart of a member.
func chartOf(member *v1beta1.ReleasePipeline) string {
	if name := member.Annotations[v1beta1.ChartAnnotation]; name != "" {
		return name
	}
	return path.Base(member.Spec.Subject.Chart)
}

// isUsed reports whether HelmReleases refer to the sources of the stages of a member.
func (h *handler) isUsed(ctx context.Context, member *v1beta1.ReleasePipeline) bool {
	stages := make([]string, 0, len(member.Spec.Stages)+len(member.Status.Stages))
	for _, s := range member.Spec.Stages {
		stages = append(stages, s.Name)
	}

	for _, s := range member.Status.Stages { // also those that the spec no longer has
		stages = append(stages, s.Name)
	}

	return slices.ContainsFunc(stages, func(stage string) bool {
		return slices.ContainsFunc(outletKinds, func(kind string) bool {
			return len(catalog.ReleasesOf(ctx, h.cached, sourceOf(member, kind, stage))) > 0
		})
	})
}

// contract lets the members go of a pipeline that had several charts and has one now.
func (h *handler) contract(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	if p.Status.Charts == nil {
		return nil
	}

	all, err := h.members(ctx, p)
	if err != nil {
		return err
	}

	none := p.DeepCopy()
	none.Spec.Subject.Charts = &v1beta1.PipelineCharts{}
	plan := h.chartsOf(ctx, none, all, nil, false).Assign()
	done, err := h.carryOut(ctx, none, &plan, all)
	h.recordEvent(p, done)
	left := chartsStatus(plan, all)
	if len(left.Items) == 0 {
		left = nil
	}

	status.PipelineCharts(p, left)
	return err
}

// refuseRequests answers the Promotions of users that name a pipeline of several charts.
func (h *handler) refuseRequests(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	requests, err := h.requestsOf(ctx, p)
	if err != nil {
		return err
	}

	var failed error
	for i := range requests {
		if requests[i].IsFinal() {
			continue
		}

		a := answer{phase: v1beta1.PromotionFailed, message: fmt.Sprintf(
			"pipeline %s has several charts, each with a pipeline %s-CHART; name one of these", p.Name, p.Name)}
		failed = errors.Join(failed, h.writePhase(ctx, &requests[i], func(q *v1beta1.Promotion) {
			a.conclude(q, metav1.NewTime(h.now()))
		}))
	}

	return failed
}

// forward passes requests for a reconciliation, and for a reset, on to the members, once.
func (h *handler) forward(ctx context.Context, p *v1beta1.ReleasePipeline, all members) error {
	asked := map[string]string{}
	request := p.Annotations[v1beta1.ReconcileRequestAnnotation]
	if request != p.Status.LastHandledReconcileAt {
		asked[v1beta1.ReconcileRequestAnnotation] = request
	}

	reset := v1beta1.SpecialRequest(p, v1beta1.ResetRequestAnnotation, p.Status.LastHandledResetAt)
	if reset != "" {
		asked[v1beta1.ReconcileRequestAnnotation] = reset
		asked[v1beta1.ResetRequestAnnotation] = reset
	}

	if len(asked) == 0 {
		return nil
	}

	for _, name := range sortedNames(all.own) {
		before := all.own[name]
		after := before.DeepCopy()
		for annotation, value := range asked {
			metav1.SetMetaDataAnnotation(&after.ObjectMeta, annotation, value)
		}
		if err := h.writer.Patch(ctx, after, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("asking ReleasePipeline %s/%s for a reconciliation: %w", p.Namespace, name, err)
		}

		all.own[name] = after
	}

	status.PipelineAnswered(p, request)
	if reset != "" {
		status.PipelineResetAnswered(p, reset)
	}

	return nil
}

func sortedNames(own map[string]*v1beta1.ReleasePipeline) []string {
	names := make([]string, 0, len(own))
	for name := range own {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
