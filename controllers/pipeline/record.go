package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// maxCandidates is how many candidates a pipeline remembers.
const maxCandidates = 20

// maxMessage bounds what is said of a stage.
const maxMessage = 1024

// addCandidate remembers a chart that the subject has, with shared values, as the first of the list. Values that come
// back after others make a known candidate the newest again.
func addCandidate(p *v1beta1.ReleasePipeline, chart v1beta1.ChartRevision, values string, now time.Time) {
	found := v1beta1.PipelineCandidate{
		Version: chart.Version, Digest: chart.Digest, ValuesDigest: values, FirstSeen: metav1.NewTime(now),
	}
	known := slices.IndexFunc(p.Status.Candidates, func(c v1beta1.PipelineCandidate) bool {
		return idOf(c) == idOf(found)
	})
	if known >= 0 {
		if p.Status.Candidates[0].ValuesDigest != values {
			seeAgain(p, known, found.FirstSeen)
		}
		return
	}

	all := append([]v1beta1.PipelineCandidate{found}, p.Status.Candidates...)
	status.PipelineCandidates(p, all[:min(len(all), maxCandidates)])
}

// seeAgain makes a known candidate the newest, at any place in the status.
func seeAgain(p *v1beta1.ReleasePipeline, known int, now metav1.Time) {
	again := p.Status.Candidates[known]
	again.FirstSeen = now
	all := slices.Delete(p.Status.Candidates, known, known+1)
	status.PipelineCandidates(p, slices.Insert(all, 0, again))
	for i := range p.Status.Stages {
		s := &p.Status.Stages[i]
		if s.Delivery != nil && idOf(s.Delivery.PipelineCandidate) == idOf(again) {
			s.Delivery.FirstSeen = now
		}

		for j := range s.Verified {
			if idOf(s.Verified[j].PipelineCandidate) == idOf(again) {
				s.Verified[j].FirstSeen = now
			}
		}
	}
}

// outcome is what decisions have changed.
type outcome struct {
	// acted is set when a step was taken: what follows is decided next.
	acted  bool
	events []status.Event
	// next is when something may change without an event; zero for never.
	next time.Time
}

// after is how long to wait before the pipeline is reconciled without an event; zero for ever.
func (o outcome) after(now time.Time) time.Duration {
	switch {
	case o.acted:
		return again
	case o.next.IsZero():
		return 0
	default:
		return max(again, o.next.Sub(now))
	}
}

// record writes decisions into the status of a pipeline.
func record(p *v1beta1.ReleasePipeline, f promotion.Facts, decisions []promotion.Decision, now time.Time) outcome {
	var out outcome
	stages := make([]v1beta1.StageStatus, 0, len(decisions))
	for i, d := range decisions {
		had := v1beta1.StageStatus{Name: d.Stage}
		if s := statusOf(p, d.Stage); s != nil {
			had = *s
		}

		stages = append(stages, stageAfter(p, had, f.Stages[i].Apply(d, now), d))
		requests, answered := requestsAfter(had.Requests, d)
		stages[i].Requests = requests
		out.acted = out.acted || answered || d.Step != promotion.StepNone
		out.events = append(out.events, eventsOf(d)...)
		if d.Starves != "" {
			starves := status.Event{Warning: true, Reason: v1beta1.CandidatesDisplacedReason, Message: d.Starves}
			out.events = append(out.events, starves)
		}

		if !d.Next.IsZero() && (out.next.IsZero() || d.Next.Before(out.next)) {
			out.next = d.Next
		}
	}

	status.PipelineStages(p, stages)
	return out
}

// stageAfter is the status of a stage after a decision.
func stageAfter(
	p *v1beta1.ReleasePipeline, had v1beta1.StageStatus, s promotion.Stage, d promotion.Decision,
) v1beta1.StageStatus {
	next := v1beta1.StageStatus{
		Name: d.Stage, Phase: d.Phase, Message: short(d.Message, maxMessage), Held: short(s.HeldBy, maxMessage),
		Promotions: had.Promotions, Gates: gateStatuses(d.Gates), Copy: had.Copy,
		Displaced: int64(s.Displaced),
	}
	if d.Candidate != nil {
		next.Candidate = d.Candidate.Version
		next.CandidateValues = d.Candidate.ID.Values
	}

	if s.Delivery != nil {
		if d.Step == promotion.StepPromote || d.Back != nil {
			next.Promotions++
		}
		next.Delivery = &v1beta1.StageDelivery{
			PipelineCandidate: candidateStatus(s.Delivery.Candidate), Cause: s.Delivery.Cause,
			At: metav1.NewTime(s.Delivery.At), Verified: s.Delivery.Verified,
			Promotion: recordName(p, d.Stage, next.Promotions),
			Request:   deliveryRequest(s.Delivery.Request),
		}
	}

	admit(&next, had, s)
	for _, v := range s.Verified {
		entry := v1beta1.StageVerification{PipelineCandidate: candidateStatus(v.Candidate), At: metav1.NewTime(v.At)}
		if !v.Since.IsZero() {
			since := metav1.NewTime(v.Since)
			entry.Since = &since
		}

		if v.Longest > 0 {
			entry.Longest = &metav1.Duration{Duration: v.Longest}
		}

		next.Verified = append(next.Verified, entry)
	}

	for _, r := range s.Rejected {
		next.Rejected = append(next.Rejected, v1beta1.StageRejection{
			Digest: r.ID.Chart, ValuesDigest: r.ID.Values, Reason: short(r.Reason, maxMessage),
		})
	}

	return next
}

func candidateStatus(c promotion.Candidate) v1beta1.PipelineCandidate {
	return v1beta1.PipelineCandidate{
		Version: c.Version, Digest: c.ID.Chart, ValuesDigest: c.ID.Values, FirstSeen: metav1.NewTime(c.FirstSeen),
		Origin: c.Origin,
	}
}

func gateStatuses(gates []promotion.Gate) []v1beta1.GateStatus {
	if len(gates) == 0 {
		return nil
	}

	all := make([]v1beta1.GateStatus, 0, len(gates))
	for _, g := range gates {
		s := v1beta1.GateStatus{Name: g.Name, Result: string(g.Result), Message: short(g.Message, maxMessage)}
		if !g.Until.IsZero() {
			until := metav1.NewTime(g.Until)
			s.Until = &until
		}

		all = append(all, s)
	}

	return all
}

// eventsOf are the events of a step; a decision without a step has none.
func eventsOf(d promotion.Decision) []status.Event {
	switch d.Step {
	case promotion.StepPromote:
		text := fmt.Sprintf("stage %s gets %s (%s): %s", d.Stage, d.Candidate.Title(), d.Cause, d.Message)
		return []status.Event{{Reason: v1beta1.ProgressingReason, Message: text}}
	case promotion.StepVerify:
		return []status.Event{{Reason: v1beta1.VerifiedReason, Message: "stage " + d.Stage + ": " + d.Message}}
	case promotion.StepReject:
		text := fmt.Sprintf("stage %s rejects %s: %s", d.Stage, d.Candidate.Title(), d.Message)
		if d.Back != nil {
			text += "; it goes back to " + d.Back.Title()
		}

		return []status.Event{{Warning: true, Reason: v1beta1.CandidateRejectedReason, Message: text}}
	}
	return nil
}

// conclude sets the conditions from the stages.
func conclude(p *v1beta1.ReleasePipeline, now time.Time) {
	all := make([]string, 0, len(p.Status.Stages))
	var failed []string
	verifying := false
	for _, s := range p.Status.Stages {
		version := "nothing"
		if s.Delivery != nil {
			version = candidateOf(s.Delivery.PipelineCandidate).Title()
		}

		all = append(all, fmt.Sprintf("%s has %s (%s)", s.Name, version, s.Phase))
		verifying = verifying || s.Phase == promotion.PhaseVerifying
		if s.Phase == promotion.PhaseFailed {
			failed = append(failed, s.Name+": "+s.Message)
		}
	}

	switch message := strings.Join(all, ", "); {
	case len(failed) > 0:
		status.Stalled(p, v1beta1.CandidateRejectedReason, strings.Join(failed, "; "), now)
	case verifying:
		status.Progressing(p, message, now)
	default:
		status.Ready(p, v1beta1.SucceededReason, message, now)
	}
}
