package pipeline

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// copyFact is what the copy of a stage says, in the words of a release: verified once the destination has all of it.
func copyFact(to *v1beta1.StageCopy, s *v1beta1.StageCopyStatus) promotion.Release {
	r := promotion.Release{
		Name: to.URL, Current: true, Bad: map[promotion.Identity]string{}, Message: "the copy has not begun",
	}
	if s == nil {
		return r
	}

	switch {
	case s.Rejected:
		r.Bad[promotion.Identity{Chart: s.Digest}] = short(s.Reason+": "+s.Message, maxMessage)
		r.Message = "it cannot be copied"
	case s.CopiedAt != nil:
		r.ID.Chart = s.Digest
		r.At = s.CopiedAt.Time
		r.Message = "copied"
	case s.Message != "" && s.NextAttempt != nil:
		r.Message = fmt.Sprintf("%s: %s; the controller tries again at %s", s.Reason, s.Message,
			s.NextAttempt.UTC().Format(time.RFC3339))
	case s.Message != "":
		r.Message = s.Reason + ": " + s.Message
	case s.Total > 0:
		r.Message = fmt.Sprintf("%d of %d bytes are copied", s.Bytes, s.Total)
	default:
		r.Message = "it is being copied"
	}

	return r
}

// asCopy makes a stage one whose only release is its copy. It has no deadline of its own accord: a registry that cannot
// be reached says nothing about a candidate.
func asCopy(s *promotion.Stage, spec v1beta1.PipelineStage, had *v1beta1.StageStatus) {
	var copied *v1beta1.StageCopyStatus
	if had != nil {
		copied = had.Copy
	}
	s.Copies, s.Releases = true, []promotion.Release{copyFact(spec.CopyOf(), copied)}
	if spec.Deadline == nil {
		s.Deadline = 0
	}
}

// copyTrouble is the first stage whose copy fails now; nil for none.
func copyTrouble(p *v1beta1.ReleasePipeline) *v1beta1.StageStatus {
	for i := range p.Status.Stages {
		if c := p.Status.Stages[i].Copy; c != nil && c.Message != "" && !c.Rejected {
			return &p.Status.Stages[i]
		}
	}
	return nil
}

// concludeCopy says which copy fails, and whether only a user can help.
func concludeCopy(p *v1beta1.ReleasePipeline, s *v1beta1.StageStatus, now time.Time) {
	text := fmt.Sprintf("stage %s: %s", s.Name, s.Copy.Message)
	switch s.Copy.Reason {
	case v1beta1.FetchFailedReason, v1beta1.NotFoundReason, v1beta1.SourceNotFoundReason, v1beta1.InternalErrorReason:
		status.Retrying(p, s.Copy.Reason, text, now)
	default:
		status.Stalled(p, s.Copy.Reason, text, now)
	}
}

// sooner is the earlier of two times; a zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
