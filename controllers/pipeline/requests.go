package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// maxRequests is how many Promotions of users a stage remembers.
const maxRequests = 20

// requestsOf are the Promotions that users made for a pipeline.
func (h *handler) requestsOf(ctx context.Context, p *v1beta1.ReleasePipeline) ([]v1beta1.Promotion, error) {
	list := &v1beta1.PromotionList{}
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name},
		client.UnsafeDisableDeepCopy) // most are records, which are not copied
	if err != nil {
		return nil, fmt.Errorf("listing the Promotions that users made: %w", err)
	}

	var found []v1beta1.Promotion
	for i := range list.Items {
		if q := &list.Items[i]; q.IsRequest() && q.DeletionTimestamp.IsZero() {
			found = append(found, *q.DeepCopy())
		}
	}

	return found, nil
}

// requestFacts are the newest requests of a stage that have no final answer. One that was deleted and made again with
// its name has the answer that it had.
func requestFacts(all []v1beta1.Promotion, stage string, had *v1beta1.StageStatus) []promotion.Request {
	var open []promotion.Request
	for i := range all {
		q := &all[i]
		known := requestOf(had, q.Name)
		if q.Spec.Stage != stage || q.IsFinal() || known != nil && known.Phase != promotion.RequestWaiting {
			continue
		}

		open = append(open, promotion.Request{
			Name: q.Name, Cause: q.Spec.Cause, Version: q.Spec.Version, Digest: q.Spec.Digest,
			ValuesDigest: q.Spec.ValuesDigest, Bypass: q.Spec.Bypass,
			By: q.Spec.RequestedBy, Reason: q.Spec.Reason, At: q.CreationTimestamp.Time,
			Seen: known != nil,
		})
	}

	slices.SortFunc(open, func(a, b promotion.Request) int { return b.At.Compare(a.At) })
	return open[:min(len(open), maxRequests)]
}

// requestOf is what a stage remembers of a request; nil for nothing.
func requestOf(s *v1beta1.StageStatus, name string) *v1beta1.StageRequest {
	if s == nil {
		return nil
	}
	for i := range s.Requests {
		if s.Requests[i].Name == name {
			return &s.Requests[i]
		}
	}
	return nil
}

// requestsAfter are the requests that a stage remembers after a decision, and whether an answer is another one. The
// oldest are forgotten.
func requestsAfter(had []v1beta1.StageRequest, d promotion.Decision) (all []v1beta1.StageRequest, changed bool) {
	all = slices.Clone(had)
	if d.Phase == promotion.PhaseSuspended {
		return all, false
	}

	answered := map[string]bool{}
	for i := len(d.Answers) - 1; i >= 0; i-- { // the oldest first
		a := d.Answers[i]
		answered[a.Name] = true
		entry := v1beta1.StageRequest{Name: a.Name, Phase: a.Phase, Message: short(a.Message, maxMessage)}
		at := slices.IndexFunc(all, func(r v1beta1.StageRequest) bool { return r.Name == a.Name })
		switch {
		case at < 0:
			all, changed = append(all, entry), true
		case all[at] != entry:
			all[at] = entry
			changed = true
		}
	}

	withdrawn := func(r v1beta1.StageRequest) bool {
		return r.Phase == promotion.RequestWaiting && !answered[r.Name]
	}
	changed = changed || slices.ContainsFunc(all, withdrawn)
	all = slices.DeleteFunc(all, withdrawn)
	return all[max(0, len(all)-maxRequests):], changed
}

func deliveryRequest(r *promotion.Request) *v1beta1.DeliveryRequest {
	if r == nil {
		return nil
	}
	return &v1beta1.DeliveryRequest{Name: r.Name, RequestedBy: r.By, Reason: r.Reason, Bypass: r.Bypass}
}

func requestOfDelivery(d *v1beta1.StageDelivery) *promotion.Request {
	if d.Request == nil {
		return nil
	}
	return &promotion.Request{Name: d.Request.Name, Cause: d.Cause, By: d.Request.RequestedBy,
		Reason: d.Request.Reason, Bypass: d.Request.Bypass}
}

// reasonOfRequest is the reason of the record of a delivery that a user requested.
func reasonOfRequest(r *v1beta1.DeliveryRequest) string {
	text := "requested"
	if r.RequestedBy != "" {
		text += " by " + r.RequestedBy
	}
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	if len(r.Bypass) > 0 {
		text += "; without the gates " + strings.Join(r.Bypass, ", ")
	}

	return short(text, maxMessage)
}

// answer writes into the Promotions of users what became of them.
func (h *handler) answer(ctx context.Context, p *v1beta1.ReleasePipeline, records []v1beta1.Promotion) error {
	requests, err := h.requestsOf(ctx, p)
	if err != nil {
		return err
	}

	var failed error
	for i := range requests {
		q := &requests[i]
		a := answerTo(p, q, records)
		if a.phase == "" {
			continue
		}

		failed = errors.Join(failed, h.writePhase(ctx, q, func(q *v1beta1.Promotion) {
			a.conclude(q, metav1.NewTime(h.now()))
		}))
	}

	return failed
}

// answer is what became of a Promotion that a user made; its phase is empty when nothing is known yet.
type answer struct {
	phase, message string
	// promoted is set when the stage got the candidate.
	promoted bool
}

// answerTo is what the status of a pipeline, and its records, say of a request.
func answerTo(p *v1beta1.ReleasePipeline, q *v1beta1.Promotion, records []v1beta1.Promotion) answer {
	if stageIndex(p, q.Spec.Stage) == len(p.Spec.Stages) {
		if q.IsFinal() {
			return answer{}
		}

		names := make([]string, 0, len(p.Spec.Stages))
		for _, s := range p.Spec.Stages {
			names = append(names, s.Name)
		}

		return answer{phase: v1beta1.PromotionFailed, message: fmt.Sprintf("pipeline %s has no stage %q; it has %s",
			p.Name, q.Spec.Stage, strings.Join(names, ", "))}
	}

	s := statusOf(p, q.Spec.Stage)
	known := requestOf(s, q.Name)
	if known == nil {
		return answer{}
	}

	switch known.Phase {
	case promotion.RequestWaiting:
		return answer{phase: v1beta1.PromotionWaiting, message: known.Message}
	case promotion.RequestFailed:
		return answer{phase: v1beta1.PromotionFailed, message: known.Message}
	case promotion.RequestSuperseded:
		return answer{phase: v1beta1.PromotionSuperseded, message: known.Message}
	}

	if r := carriedBy(s, q, records); r != nil {
		return answer{phase: phaseOf(r, s), message: "Promotion " + r.Name + " records it", promoted: true}
	}

	switch {
	case q.IsFinal():
		return answer{} // its record was deleted
	case s.Delivery != nil && !s.Delivery.Verified:
		return answer{phase: v1beta1.PromotionVerifying, message: known.Message, promoted: true}
	}

	return answer{phase: v1beta1.PromotionVerified, message: known.Message, promoted: true}
}

// carriedBy is the record of a request, also when it was made just now; nil for none.
func carriedBy(s *v1beta1.StageStatus, q *v1beta1.Promotion, records []v1beta1.Promotion) *v1beta1.Promotion {
	d := s.Delivery
	if d == nil {
		return nil
	}

	if d.Request != nil && d.Request.Name == q.Name {
		r := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Name: d.Promotion}}
		r.Spec.Digest = d.Digest
		r.Spec.ValuesDigest = d.ValuesDigest
		r.Spec.Cause = d.Cause
		return r
	}

	for i := range records {
		if r := &records[i]; r.Spec.Request == q.Name && r.Spec.Stage == s.Name {
			return r
		}
	}

	return nil
}

// conclude writes the phase of a request, and its conditions.
func (a answer) conclude(q *v1beta1.Promotion, now metav1.Time) {
	wanted := promotion.Request{Version: q.Spec.Version, Digest: q.Spec.Digest, ValuesDigest: q.Spec.ValuesDigest}
	text := fmt.Sprintf("stage %s, %s", q.Spec.Stage, wanted.Text())
	switch {
	case a.phase == v1beta1.PromotionWaiting:
		status.Progressing(q, text+" waits: "+a.message, now.Time)
	case a.phase == v1beta1.PromotionVerifying:
		status.Progressing(q, text+": the HelmReleases verify it; "+a.message, now.Time)
	case a.phase == v1beta1.PromotionVerified:
		status.Ready(q, v1beta1.SucceededReason, text+": verified; "+a.message, now.Time)
	case a.phase == v1beta1.PromotionRejected:
		status.Stalled(q, v1beta1.CandidateRejectedReason, text+": rejected; "+a.message, now.Time)
	case a.promoted:
		status.Ready(q, v1beta1.SucceededReason,
			text+": another candidate came before there was a verdict; "+a.message, now.Time)
	default:
		status.Stalled(q, v1beta1.NotPromotedReason, text+" is not promoted: "+a.message, now.Time)
	}

	status.PromotionPhase(q, a.phase)
	if q.IsFinal() && q.Status.FinishedAt == nil {
		status.PromotionFinished(q, now)
	}
}

// writePhase changes the status of a copy of a Promotion, and writes it when it is another one.
func (h *handler) writePhase(ctx context.Context, q *v1beta1.Promotion, change func(*v1beta1.Promotion)) error {
	before := q
	q = q.DeepCopy()
	change(q)
	if before.Status.Phase == q.Status.Phase && status.Message(before) == status.Message(q) {
		return nil
	}
	if err := h.writer.Status().Patch(ctx, q, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of Promotion %s/%s: %w", q.Namespace, q.Name, err)
	}

	return nil
}

// approvers are the users who have approved what a stage has.
func (h *handler) approvers(ctx context.Context, p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus) ([]string, error) {
	list := &v1beta1.PromotionApprovalList{}
	err := h.cached.List(ctx, list, client.InNamespace(p.Namespace), client.MatchingFields{pipelineIndex: p.Name})
	if err != nil {
		return nil, fmt.Errorf("listing the approvals of the pipeline: %w", err)
	}

	var users []string
	for i := range list.Items {
		a := list.Items[i].Spec
		if a.Stage == s.Name && a.Digest == s.Delivery.Digest && a.ValuesDigest == s.Delivery.ValuesDigest &&
			!slices.Contains(users, a.User) {
			users = append(users, a.User)
		}
	}

	slices.Sort(users)
	return users[:min(len(users), maxApprovers)], nil
}

// maxApprovers is how many approvers a record names.
const maxApprovers = 32
