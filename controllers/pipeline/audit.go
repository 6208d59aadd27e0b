package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// maxPromotions is how many Promotions of a stage are kept.
const maxPromotions = 10

// audit makes a Promotion for what each stage has, brings the phases of all to what the status says, and deletes old
// ones.
func (h *handler) audit(ctx context.Context, p *v1beta1.ReleasePipeline) error {
	list := &v1beta1.PromotionList{}
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name},
		client.UnsafeDisableDeepCopy) // writePhase copies what it changes
	if err != nil {
		return fmt.Errorf("listing the Promotions of the pipeline: %w", err)
	}

	records := slices.DeleteFunc(list.Items, func(r v1beta1.Promotion) bool { return !metav1.IsControlledBy(&r, p) })
	var failed error
	for i := range p.Status.Stages {
		failed = errors.Join(failed, h.auditStage(ctx, p, &p.Status.Stages[i], records))
	}

	return errors.Join(failed, h.answer(ctx, p, records))
}

func (h *handler) auditStage(ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus,
	all []v1beta1.Promotion) error {
	if s.Delivery == nil {
		return nil
	}

	var own []v1beta1.Promotion
	found := false
	for _, promotion := range all {
		if promotion.Spec.Stage == s.Name {
			own = append(own, promotion)
			found = found || promotion.Name == s.Delivery.Promotion
		}
	}

	if !found {
		made, err := h.makePromotion(ctx, p, s)
		if err != nil {
			return err
		}

		own = append(own, *made)
	}

	slices.SortFunc(own, func(a, b v1beta1.Promotion) int { return cmp.Compare(numberOf(&b), numberOf(&a)) })
	var failed error
	for i := range own {
		if i >= maxPromotions && own[i].Name != s.Delivery.Promotion {
			failed = errors.Join(failed, client.IgnoreNotFound(h.writer.Delete(ctx, &own[i])))
			continue
		}
		failed = errors.Join(failed, h.finish(ctx, p, &own[i], s))
	}

	return failed
}

// numberOf is the number at the end of the name of a Promotion; 0 for a name without one.
func numberOf(p *v1beta1.Promotion) int64 {
	n, err := strconv.ParseInt(p.Name[strings.LastIndexByte(p.Name, '-')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (h *handler) makePromotion(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus,
) (*v1beta1.Promotion, error) {
	d := s.Delivery
	made := &v1beta1.Promotion{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: d.Promotion, OwnerReferences: ownedBy(p),
			Labels: map[string]string{v1beta1.PipelineLabel: labelOf(p), v1beta1.StageLabel: s.Name},
		},
		Spec: v1beta1.PromotionSpec{
			Pipeline: p.Name, Stage: s.Name, Version: d.Version, Digest: d.Digest,
			ValuesDigest: d.ValuesDigest, Cause: d.Cause,
			Reason: reasonOf(p, s),
		},
	}
	if d.Request != nil {
		made.Spec.Request = d.Request.Name
		made.Spec.Bypass = d.Request.Bypass
	}

	err := h.writer.Create(ctx, made)
	if apierrors.IsAlreadyExists(err) { // the cache lags behind
		err = h.live.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: d.Promotion}, made)
		if err == nil && !metav1.IsControlledBy(made, p) {
			return h.makeNextPromotion(ctx, p, s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("writing Promotion %s/%s: %w", p.Namespace, d.Promotion, err)
	}

	return made, nil
}

// makeNextPromotion takes another name for a record: a Promotion that is not of the pipeline has the one it should get.
func (h *handler) makeNextPromotion(
	ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus,
) (*v1beta1.Promotion, error) {
	s.Promotions++
	s.Delivery.Promotion = fmt.Sprintf("%s-%d", p.SourceName(s.Name), s.Promotions)
	return h.makePromotion(ctx, p, s)
}

// reasonOf says more about the cause of a delivery.
func reasonOf(p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus) string {
	if s.Delivery.Request != nil {
		return reasonOfRequest(s.Delivery.Request)
	}

	switch s.Delivery.Cause {
	case promotion.CauseRollback:
		if n := len(s.Rejected); n > 0 {
			return short(s.Rejected[n-1].Reason, maxMessage)
		}
	case promotion.CausePin:
		for _, spec := range p.Spec.Stages {
			if spec.Name == s.Name {
				return "spec.stages[].pin is " + spec.Pin
			}
		}
	case promotion.CauseApproved:
		return s.Message // what the decision said
	}

	return ""
}

// phaseOf is the phase of a Promotion by the status of its stage. One that has a verdict keeps it, unless its candidate
// is rejected later.
func phaseOf(p *v1beta1.Promotion, s *v1beta1.StageStatus) string {
	rejected := slices.ContainsFunc(s.Rejected,
		func(r v1beta1.StageRejection) bool { return idOfRejection(r) == idOfRecord(p) })
	current := p.Name == s.Delivery.Promotion
	switch {
	case rejected && p.Spec.Cause != promotion.CauseRollback:
		return v1beta1.PromotionRejected
	case current && s.Delivery.Verified, p.Status.Phase == v1beta1.PromotionVerified:
		return v1beta1.PromotionVerified
	case current:
		return v1beta1.PromotionVerifying
	case p.Status.Phase == v1beta1.PromotionRejected: // a user has let the candidate in again since
		return v1beta1.PromotionRejected
	default:
		return v1beta1.PromotionSuperseded
	}
}

// finish writes the phase of a record when it is another one, at first with what let the candidate through.
func (h *handler) finish(ctx context.Context, p *v1beta1.ReleasePipeline, r *v1beta1.Promotion,
	s *v1beta1.StageStatus) error {
	phase := phaseOf(r, s)
	if r.Status.Phase == phase || numberOf(r) > s.Promotions {
		return nil // a number that the stage never gave is no record of the controller
	}

	var approvers []string
	begins := r.Status.Phase == "" && r.Name == s.Delivery.Promotion
	if begins {
		var err error
		if approvers, err = h.approvers(ctx, p, s); err != nil {
			return err
		}
	}

	return h.writePhase(ctx, r, func(r *v1beta1.Promotion) {
		if begins {
			gates := s.Gates
			if slices.ContainsFunc(gates, doesNotPass) {
				gates = nil // they are those of another candidate
			}

			status.PromotionStarted(r, approvers, gates, s.Delivery.At)
		}
		conclusion(r, phase, h.now())
	})
}

func doesNotPass(g v1beta1.GateStatus) bool { return g.Result != string(promotion.Pass) }

func conclusion(p *v1beta1.Promotion, phase string, now time.Time) {
	status.PromotionPhase(p, phase)
	candidate := promotion.Candidate{Version: p.Spec.Version, ID: idOfRecord(p)}
	text := fmt.Sprintf("stage %s, %s: ", p.Spec.Stage, candidate.Title())
	switch phase {
	case v1beta1.PromotionVerified:
		status.Ready(p, v1beta1.SucceededReason, text+"verified", now)
	case v1beta1.PromotionVerifying:
		status.Progressing(p, text+"the HelmReleases verify it", now)
		return
	case v1beta1.PromotionRejected:
		status.Stalled(p, v1beta1.CandidateRejectedReason, text+"rejected", now)
	default:
		status.Ready(p, v1beta1.SucceededReason, text+"another candidate came before there was a verdict", now)
	}

	status.PromotionFinished(p, metav1.NewTime(now))
}
