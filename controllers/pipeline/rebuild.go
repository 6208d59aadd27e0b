package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// rebuild brings a status that was lost, or that is older than the Promotions of the pipeline, to what the sources of
// the stages and the Promotions say. So what runs stays, and no gate that was passed or failed is forgotten. It returns
// what it did as events.
func (h *handler) rebuild(ctx context.Context, p *v1beta1.ReleasePipeline, now time.Time) ([]status.Event, error) {
	list := &v1beta1.PromotionList{}
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name},
		client.UnsafeDisableDeepCopy) // adopt copies what it changes
	if err != nil {
		return nil, fmt.Errorf("listing the Promotions of the pipeline: %w", err)
	}
	if err := h.adopt(ctx, p, list.Items); err != nil {
		return nil, err
	}

	seen := firstSeen(p, list.Items)
	var events []status.Event
	for i, spec := range p.Spec.Stages {
		remains, err := h.remains(ctx, p, spec.Name, list.Items, seen)
		if err != nil {
			return nil, err
		}

		stage, number, rebuilt := stageOf(p, i, inputs{}).Rebuild(remains, now)
		if rebuilt {
			restoreStage(p, stage, number)
			restoreCandidates(p, stage, remains)
			events = append(events, restored(stage))
			continue
		}

		renumber(p, spec.Name, list.Items)
	}

	if len(events) > 0 {
		// The request may have been handled before; it would forget the rejections that were just restored.
		status.PipelineResetAnswered(p, p.Annotations[v1beta1.ResetRequestAnnotation])
	}

	return events, nil
}

func restored(s promotion.Stage) status.Event {
	has := "nothing"
	if s.Delivery != nil {
		has = s.Delivery.Title()
	}
	text := fmt.Sprintf("the status of stage %s was older than its Promotions and its source, and is restored from "+
		"them: the stage has %s", s.Name, has)
	return status.Event{Reason: v1beta1.ProgressingReason, Message: text}
}

// isOf reports whether an object was made for a pipeline: for this one, or for one of its name that is gone, as after a
// restore from a backup.
func isOf(o client.Object, p *v1beta1.ReleasePipeline) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.APIVersion == v1beta1.GroupVersion.String() &&
		owner.Kind == v1beta1.ReleasePipelineKind && owner.Name == p.Name
}

// isRecord reports whether a Promotion is a record of the controller, for this pipeline or a former one of its name. An
// owner reference alone proves nothing: clients can write one. They cannot write the status, which the controller
// writes for its own records only.
func isRecord(r *v1beta1.Promotion, p *v1beta1.ReleasePipeline) bool {
	return isOf(r, p) && r.Status.Phase != "" && r.Name == recordName(p, r.Spec.Stage, numberOf(r))
}

// adopt makes Promotions of a former pipeline of the name those of this one, before the API server deletes them.
func (h *handler) adopt(ctx context.Context, p *v1beta1.ReleasePipeline, all []v1beta1.Promotion) error {
	for i := range all {
		if !isRecord(&all[i], p) || metav1.IsControlledBy(&all[i], p) {
			continue
		}

		before := all[i].DeepCopy()
		before.DeepCopyInto(&all[i])
		all[i].OwnerReferences = ownedBy(p)
		if all[i].Labels == nil {
			all[i].Labels = map[string]string{}
		}

		all[i].Labels[v1beta1.PipelineLabel] = labelOf(p)
		if err := h.writer.Patch(ctx, &all[i], client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("writing the owner of Promotion %s/%s: %w", p.Namespace, all[i].Name, err)
		}
	}
	return nil
}

// firstSeen are the candidates of the status and of the Promotions, each with the first time it is known of.
func firstSeen(
	p *v1beta1.ReleasePipeline, all []v1beta1.Promotion,
) map[promotion.Identity]promotion.Candidate {
	seen := map[promotion.Identity]promotion.Candidate{}
	add := func(c promotion.Candidate) {
		if had, ok := seen[c.ID]; !ok || c.FirstSeen.Before(had.FirstSeen) {
			seen[c.ID] = c
		}
	}
	for i := range all {
		if spec := all[i].Spec; isRecord(&all[i], p) {
			add(promotion.Candidate{
				Version: spec.Version, ID: idOfRecord(&all[i]), FirstSeen: all[i].CreationTimestamp.Time,
			})
		}
	}

	for _, c := range p.Status.Candidates {
		add(candidateOf(c))
	}

	return seen
}

// remains are what exists of a stage outside of the status. A Promotion that another client made is no record.
func (h *handler) remains(
	ctx context.Context, p *v1beta1.ReleasePipeline, stage string, all []v1beta1.Promotion,
	seen map[promotion.Identity]promotion.Candidate,
) (promotion.Remains, error) {
	r := promotion.Remains{}
	if had := statusOf(p, stage); had != nil {
		r.Known = had.Promotions
	}

	for i := range all {
		if all[i].Spec.Stage == stage && isRecord(&all[i], p) {
			r.Records = append(r.Records, recordOf(&all[i], seen))
		}
	}

	source, err := h.outletOf(ctx, p, stage)
	if source != nil {
		r.Source = sourceCandidate(source, seen)
	}

	return r, err
}

// outletOf is the source of a stage that is pinned to a candidate; nil when there is none, or none of the pipeline. It
// is the object of the cache, not a copy.
func (h *handler) outletOf(ctx context.Context, p *v1beta1.ReleasePipeline, stage string) (catalog.Object, error) {
	key := types.NamespacedName{Namespace: p.Namespace, Name: p.SourceName(stage)}
	for _, kind := range outletKinds {
		source := catalog.NewSource(kind)
		err := h.cached.Get(ctx, key, source, client.UnsafeDisableDeepCopy)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("reading %s %s: %w", kind, key, err)
		case isOf(source, p) && pinOf(source) != "":
			return source, nil
		}
	}

	return nil, nil
}

// pinOf is the digest that the source of a stage is pinned to; empty for none.
func pinOf(source catalog.Object) string {
	switch source := source.(type) {
	case *v1beta1.OCIRepository:
		if ref := source.Spec.Reference; ref != nil {
			return ref.Digest
		}
	case *v1beta1.HelmChart:
		return source.Spec.Digest
	}
	return ""
}

func recordOf(p *v1beta1.Promotion, seen map[promotion.Identity]promotion.Candidate) promotion.Record {
	r := promotion.Record{
		Candidate: seen[idOfRecord(p)], Number: numberOf(p), Cause: p.Spec.Cause, Reason: p.Spec.Reason,
		Verified: p.Status.Phase == v1beta1.PromotionVerified, Rejected: p.Status.Phase == v1beta1.PromotionRejected,
		At: p.CreationTimestamp.Time, Ended: p.CreationTimestamp.Time,
	}
	if end := p.Status.FinishedAt; end != nil {
		r.Ended = end.Time
	}
	return r
}

// sourceCandidate is the candidate that a source is pinned to. A version that nothing knows any more is the digest.
func sourceCandidate(source catalog.Object, seen map[promotion.Identity]promotion.Candidate) promotion.Candidate {
	digest := pinOf(source)
	id := promotion.Identity{Chart: digest, Values: source.GetAnnotations()[v1beta1.ValuesDigestAnnotation]}
	if c, ok := seen[id]; ok {
		return c
	}

	c := promotion.Candidate{Version: digest, ID: id, FirstSeen: source.GetCreationTimestamp().Time}
	switch source := source.(type) {
	case *v1beta1.OCIRepository:
		if chart := source.Status.Chart; chart != nil && chart.Digest == digest {
			c.Version = chart.Version
		}
	case *v1beta1.HelmChart:
		c.Version = source.Spec.Version
		c.Origin = source.Spec.Origin
	}

	return c
}

// restoreStage writes a stage into the status, in the order of the spec.
func restoreStage(p *v1beta1.ReleasePipeline, s promotion.Stage, number int64) {
	had := v1beta1.StageStatus{Name: s.Name, Promotions: number}
	d := promotion.Decision{Stage: s.Name, Phase: promotion.PhaseIdle, Message: "restored"}
	next := stageAfter(p, had, s, d)
	if current := statusOf(p, s.Name); current != nil {
		*current = next
		return
	}

	stages := append(slices.Clone(p.Status.Stages), next)
	slices.SortStableFunc(stages, func(a, b v1beta1.StageStatus) int {
		return cmp.Compare(stageIndex(p, a.Name), stageIndex(p, b.Name))
	})
	status.PipelineStages(p, stages)
}

// stageIndex is the place of a stage in the spec; a stage that the spec no longer has comes last.
func stageIndex(p *v1beta1.ReleasePipeline, name string) int {
	i := slices.IndexFunc(p.Spec.Stages, func(s v1beta1.PipelineStage) bool { return s.Name == name })
	if i < 0 {
		return len(p.Spec.Stages)
	}
	return i
}

// restoreCandidates remembers the candidates that a stage had, the last one first.
func restoreCandidates(p *v1beta1.ReleasePipeline, s promotion.Stage, r promotion.Remains) {
	found := make([]promotion.Candidate, 0, len(r.Records)+1)
	if s.Delivery != nil {
		found = append(found, s.Delivery.Candidate)
	}

	for _, record := range r.Records {
		found = append(found, record.Candidate)
	}

	all := slices.Clone(p.Status.Candidates)
	for _, c := range found {
		known := func(other v1beta1.PipelineCandidate) bool { return idOf(other) == c.ID }
		if !slices.ContainsFunc(all, known) {
			all = append(all, candidateStatus(c))
		}
	}

	slices.SortStableFunc(all, func(a, b v1beta1.PipelineCandidate) int {
		return b.FirstSeen.Compare(a.FirstSeen.Time)
	})
	status.PipelineCandidates(p, all[:min(len(all), maxCandidates)])
}

// renumber gives what a stage has another record when the name of its record is that of a Promotion about something
// else, which another client made.
func renumber(p *v1beta1.ReleasePipeline, stage string, all []v1beta1.Promotion) {
	s := statusOf(p, stage)
	if s == nil || s.Delivery == nil || s.Delivery.Promotion != recordName(p, stage, s.Promotions) {
		return
	}

	taken := func(o v1beta1.Promotion) bool {
		return o.Name == s.Delivery.Promotion && (!isOf(&o, p) || idOfRecord(&o) != idOf(s.Delivery.PipelineCandidate))
	}
	if !slices.ContainsFunc(all, taken) {
		return
	}

	for i := range all {
		if strings.HasPrefix(all[i].Name, p.SourceName(stage)+"-") {
			s.Promotions = max(s.Promotions, numberOf(&all[i]))
		}
	}

	s.Promotions++
	s.Delivery.Promotion = recordName(p, stage, s.Promotions)
}

// recordName is the name of the Promotion of a delivery.
func recordName(p *v1beta1.ReleasePipeline, stage string, number int64) string {
	return fmt.Sprintf("%s-%d", p.SourceName(stage), number)
}

// recordEvent records events of a pipeline.
func (h *handler) recordEvent(p *v1beta1.ReleasePipeline, events []status.Event) {
	for _, event := range events {
		loop.EventRecorder{Events: h.events, Kind: v1beta1.ReleasePipelineKind, Action: status.ActionPromote}.Emit(p, event)
	}
}
