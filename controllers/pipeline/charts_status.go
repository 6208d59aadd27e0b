package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

const (
	// maxChartItems is how many charts the status of a pipeline lists, maxNamed how many a message names.
	maxChartItems = 150
	maxNamed      = 5
	// maxChartMessage bounds what is said of one chart.
	maxChartMessage = 256
)

// chartsStatus sums up how the members of a pipeline are.
func chartsStatus(plan promotion.Membership, all members) *v1beta1.PipelineChartsStatus {
	s := &v1beta1.PipelineChartsStatus{}
	for _, m := range plan.Wanted {
		item := v1beta1.PipelineChartStatus{Chart: m.Chart, Pipeline: m.Name}
		item.Phase, item.Message = memberPhase(all.own[m.Name])
		s.Items = append(s.Items, item)
	}

	for _, r := range plan.Refused {
		s.Items = append(s.Items, v1beta1.PipelineChartStatus{
			Chart: r.Chart, Phase: promotion.ChartFailed, Message: short(r.Reason, maxChartMessage),
		})
	}

	slices.SortStableFunc(s.Items, func(a, b v1beta1.PipelineChartStatus) int { return cmp.Compare(a.Chart, b.Chart) })
	for _, item := range s.Items {
		s.Total++
		switch item.Phase {
		case promotion.ChartReady:
			s.Ready++
		case promotion.ChartFailed:
			s.Failed++
		default:
			s.Waiting++
		}
	}

	for _, m := range plan.Kept {
		s.Items = append(s.Items, v1beta1.PipelineChartStatus{
			Chart: m.Chart, Pipeline: m.Name, Phase: promotion.ChartKept,
			Message: "no longer asked for; its pipeline is suspended, and is deleted when no HelmRelease refers to it",
		})
	}

	s.Items = s.Items[:min(len(s.Items), maxChartItems)]
	return s
}

// memberPhase is how a member is, and why. A member that the cache does not have yet waits.
func memberPhase(member *v1beta1.ReleasePipeline) (phase, message string) {
	if member == nil {
		return promotion.ChartWaiting, "its pipeline is not made yet"
	}

	ready := meta.FindStatusCondition(member.Status.Conditions, v1beta1.ReadyCondition)
	switch {
	case member.Spec.Suspend:
		return promotion.ChartSuspended, ""
	case ready == nil || member.Status.ObservedGeneration != member.Generation:
		return promotion.ChartWaiting, "its pipeline is not reconciled yet"
	case ready.Status != metav1.ConditionTrue && ready.Reason != v1beta1.ProgressingReason:
		return promotion.ChartFailed, short(ready.Reason+": "+ready.Message, maxChartMessage)
	}

	for _, s := range member.Status.Stages {
		if s.Phase != promotion.PhaseVerified && s.Phase != promotion.PhasePinned {
			text := strings.TrimSpace(s.Name + " " + s.Phase)
			if s.Candidate != "" {
				text += " with " + s.Candidate
			}

			return promotion.ChartWaiting, short(text, maxChartMessage)
		}
	}

	if ready.Status != metav1.ConditionTrue {
		return promotion.ChartWaiting, short(ready.Message, maxChartMessage)
	}

	return promotion.ChartReady, ""
}

// refusals are events about charts that get no pipeline, which the status did not say before.
func refusals(had *v1beta1.PipelineChartsStatus, refused []promotion.RefusedChart) (events []status.Event) {
	for _, r := range refused {
		said := had != nil && slices.ContainsFunc(had.Items, func(item v1beta1.PipelineChartStatus) bool {
			return item.Chart == r.Chart && item.Message == short(r.Reason, maxChartMessage)
		})
		if !said {
			events = append(events, status.Event{Warning: true, Reason: refusalReason(r),
				Message: fmt.Sprintf("the chart %s has no pipeline: %s", r.Chart, r.Reason)})
		}
	}
	return events
}

func refusalReason(r promotion.RefusedChart) string {
	if r.Taken {
		return v1beta1.OwnedByOtherReason
	}
	return v1beta1.InvalidReferenceReason
}

// concludeCharts sets the conditions of a pipeline of several charts. listing is why the charts of the index are not
// known; nil when they are.
func concludeCharts(
	p *v1beta1.ReleasePipeline, plan promotion.Membership, all members, listing error, now time.Time,
) {
	summary := summaryOf(p.Status.Charts)
	stays := "; the charts that are known stay"
	failed := worstMember(plan, all)
	switch reason := sources.Reason(listing); {
	case plan.Excess != "":
		status.Stalled(p, v1beta1.InvalidReferenceReason, plan.Excess, now)
	case isFinal(listing):
		status.Stalled(p, reason, short(listing.Error(), maxMessage)+stays, now)
	case catalog.IsPending(listing):
		status.Progressing(p, listing.Error(), now)
	case listing != nil:
		status.Retrying(p, cmp.Or(reason, v1beta1.SourceNotReadyReason), short(listing.Error(), maxMessage)+stays, now)
	case len(plan.Refused) > 0:
		status.Stalled(p, refusalReason(plan.Refused[0]), summary, now)
	case failed != nil && status.IsStalled(failed):
		status.Stalled(p, readyReason(failed), summary, now)
	case failed != nil:
		status.Retrying(p, readyReason(failed), summary, now)
	case works(plan, all):
		status.Progressing(p, summary, now)
	default:
		status.Ready(p, v1beta1.SucceededReason, summary, now)
	}
}

// isFinal reports whether an error stays until an object changes.
func isFinal(err error) bool {
	var e *sources.Error
	return errors.As(err, &e) && !e.Retryable()
}

func readyReason(member *v1beta1.ReleasePipeline) string {
	ready := meta.FindStatusCondition(member.Status.Conditions, v1beta1.ReadyCondition)
	if ready == nil {
		return v1beta1.ProgressingReason
	}
	return ready.Reason
}

// worstMember is a member that failed, one that is stalled when there is one; nil when none failed.
func worstMember(plan promotion.Membership, all members) (worst *v1beta1.ReleasePipeline) {
	for _, m := range plan.Wanted {
		member := all.own[m.Name]
		if phase, _ := memberPhase(member); phase == promotion.ChartFailed &&
			(worst == nil || status.IsStalled(member) && !status.IsStalled(worst)) {
			worst = member
		}
	}
	return worst
}

// works reports whether a member is not as its spec says yet.
func works(plan promotion.Membership, all members) bool {
	return slices.ContainsFunc(plan.Wanted, func(m promotion.Member) bool {
		member := all.own[m.Name]
		return member == nil || !member.Spec.Suspend && !status.IsReady(member)
	})
}

// summaryOf says how many charts are how, and names those that are not Ready.
func summaryOf(s *v1beta1.PipelineChartsStatus) string {
	text := fmt.Sprintf("%d charts: %d ready, %d waiting, %d failed", s.Total, s.Ready, s.Waiting, s.Failed)
	for _, phase := range []string{promotion.ChartFailed, promotion.ChartWaiting, promotion.ChartSuspended,
		promotion.ChartKept} {
		text += named(s, phase)
	}
	return short(text, maxMessage)
}

// named names the charts in a phase, with what is said of them; empty for none.
func named(s *v1beta1.PipelineChartsStatus, phase string) string {
	var names []string
	for _, item := range s.Items {
		if item.Phase == phase {
			names = append(names, strings.TrimSuffix(item.Chart+" ("+item.Message+")", " ()"))
		}
	}

	if len(names) == 0 {
		return ""
	}

	text := "; " + strings.ToLower(phase) + ": " + strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}

	return text
}

// memberChanged lets the events through after which the pipeline that made another one has to write it again, or says
// something else of it.
func memberChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1beta1.ReleasePipeline)
		after, also := e.ObjectNew.(*v1beta1.ReleasePipeline)
		if !ok || !also || metav1.GetControllerOf(before) == nil && metav1.GetControllerOf(after) == nil {
			return false
		}

		phase, message := memberPhase(before)
		phaseNow, messageNow := memberPhase(after)
		return phase != phaseNow || message != messageNow || before.Generation != after.Generation ||
			!reflect.DeepEqual(before.Labels, after.Labels) ||
			!reflect.DeepEqual(before.Annotations, after.Annotations) ||
			!reflect.DeepEqual(before.OwnerReferences, after.OwnerReferences)
	}, GenericFunc: func(event.GenericEvent) bool { return false }}
}
