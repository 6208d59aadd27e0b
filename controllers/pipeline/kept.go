package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

// sourceChanged lets the events through after which the source of a stage has to be written again, says something
// else of itself, or has another chart.
func sourceChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(catalog.Object)
			after, also := e.ObjectNew.(catalog.Object)
			return ok && also && (before.GetGeneration() != after.GetGeneration() || notReady(before) != notReady(after) ||
				chartNote(before) != chartNote(after) || chartDigestOf(before) != chartDigestOf(after))
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// chartNote is what a HelmChart says while it is Ready: whether upstream still offers the chart.
func chartNote(source catalog.Object) string {
	if _, is := source.(*v1beta1.HelmChart); !is {
		return ""
	}
	return status.Message(source)
}

// notReady is what a source says of its failure; empty while it has none with its present spec.
func notReady(source catalog.Object) string {
	ready := meta.FindStatusCondition(source.GetConditions(), v1beta1.ReadyCondition)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason == v1beta1.ProgressingReason ||
		ready.ObservedGeneration != source.GetGeneration() {
		return ""
	}
	return ready.Message
}

// noteKept adds to the messages of the stages why they keep what the subject no longer has, and returns what it added.
func (h *handler) noteKept(ctx context.Context, p *v1beta1.ReleasePipeline) (notes []string) {
	kind, err := h.outletKind(ctx, p)
	if err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	for i := range p.Status.Stages {
		s := &p.Status.Stages[i]
		if s.Delivery == nil {
			continue
		}

		if note := h.keptNote(ctx, p, s, kind); note != "" {
			s.Message = short(s.Message+"; it keeps "+s.Delivery.Version+", and "+note, maxMessage)
			notes = append(notes, s.Name+" keeps "+s.Delivery.Version+", and "+note)
		}
	}

	return notes
}

// concludeKept adds the notes about what the stages keep to the message of a pipeline that is Ready.
func concludeKept(p *v1beta1.ReleasePipeline, notes []string, now time.Time) {
	if len(notes) == 0 || !status.IsReady(p) {
		return
	}
	text := status.Message(p) + "; " + strings.Join(notes, "; ")
	status.Ready(p, v1beta1.SucceededReason, short(text, maxMessage), now)
}

// keptNote says what is wrong with what a stage has: the range of the subject excludes it, upstream no longer offers
// it, or its source fails.
func (h *handler) keptNote(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus, kind string,
) string {
	subject := catalog.ChoiceOfPipeline(p)
	if err := h.charts.OutOfRange(ctx, subject, s.Delivery.Version); err != nil {
		return err.Error()
	}
	if kind == "" {
		return "" // the conditions say that the subject is gone
	}

	if kind == v1beta1.HelmChartKind {
		pinned := &v1beta1.HelmChart{Spec: chartSpec(p, s.Delivery.PipelineCandidate)}
		pinned.Namespace = p.Namespace
		for _, choice := range []catalog.ChartRef{catalog.ChoiceOfChart(pinned), subject} {
			if err := h.charts.Kept(ctx, choice); err != nil {
				return "upstream no longer offers it: " + err.Error()
			}
		}
	}

	source := catalog.NewSource(kind)
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SourceName(s.Name)}
	if err := h.cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy); err != nil {
		return "" // it is written next
	}
	if failed := notReady(source); failed != "" {
		return fmt.Sprintf("%s %s is not ready: %s", kind, key.Name, failed)
	}

	return ""
}

// tellMoved emits an event when a version of the subject has other content than a candidate of that version. A
// directory in Git has no published versions, so there is no event for it.
func (h *handler) tellMoved(p *v1beta1.ReleasePipeline, chart v1beta1.ChartRevision) {
	text := moved(p, chart)
	if text == "" {
		return
	}
	event := status.Event{Warning: true, Reason: v1beta1.TagMovedReason, Message: text}
	loop.EventRecorder{Events: h.events, Kind: v1beta1.ReleasePipelineKind, Action: status.ActionPromote}.Emit(p, event)
}

// moved says which version of the subject has moved; empty when none has.
func moved(p *v1beta1.ReleasePipeline, chart v1beta1.ChartRevision) string {
	known := slices.ContainsFunc(p.Status.Candidates, func(c v1beta1.PipelineCandidate) bool {
		return c.Digest == chart.Digest
	})
	before := slices.IndexFunc(p.Status.Candidates, func(c v1beta1.PipelineCandidate) bool {
		return c.Version == chart.Version
	})
	if known || before < 0 || p.Spec.Subject.SourceRef.Kind == v1beta1.GitRepositoryKind {
		return ""
	}

	return fmt.Sprintf("version %s of the subject has other content than before: %s before, %s now, which is another "+
		"candidate", chart.Version, p.Status.Candidates[before].Digest, chart.Digest)
}

// setOrigin remembers where a candidate was found first.
func setOrigin(p *v1beta1.ReleasePipeline, digest, origin string) {
	for i := range p.Status.Candidates {
		if c := &p.Status.Candidates[i]; c.Digest == digest {
			c.Origin = cmp.Or(c.Origin, origin)
		}
	}
}
