package view

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// StageRow is one stage of a pipeline in a list.
type StageRow struct {
	Namespace string `json:"namespace"`
	Pipeline  string `json:"pipeline"`
	Stage     string `json:"stage"`
	Phase     string `json:"phase"`
	// Version and Digest of what the stage has; empty for nothing.
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// ValuesDigest is that of the shared values of what the stage has; empty without them.
	ValuesDigest string `json:"valuesDigest,omitempty"`
	// Since is when it was delivered.
	Since *metav1.Time `json:"since,omitempty"`
	// Candidate is the version that Gates are about; empty when the stage waits for none.
	Candidate string `json:"candidate,omitempty"`
	// CandidateValues is the digest of its shared values; empty without them.
	CandidateValues string `json:"candidateValues,omitempty"`
	// Gates are the answers about the candidate.
	Gates   []v1beta1.GateStatus `json:"gates,omitempty"`
	Message string               `json:"message,omitempty"`
}

// ChartsStage stands for the stages of a pipeline of several charts, which the pipelines of these have.
const ChartsStage = "(charts)"

// chartsRow sums up a pipeline of several charts.
func chartsRow(p *v1beta1.ReleasePipeline) StageRow {
	r := StageRow{
		Namespace: p.Namespace, Pipeline: p.Name, Stage: ChartsStage, Phase: string(Unknown), Message: status.Message(p),
	}
	s := p.Status.Charts
	switch {
	case p.Spec.Suspend:
		r.Phase = string(Suspended)
	case s == nil:
	case status.IsStalled(p) || s.Failed > 0:
		r.Phase = string(Failed)
	case s.Waiting > 0 || !status.IsReady(p):
		r.Phase = string(Waiting)
	default:
		r.Phase = string(Ready)
	}

	return r
}

// IsOfPipeline reports whether a pipeline has one of some names, or was made by one that has.
func IsOfPipeline(o metav1.Object, names []string) bool {
	if slices.Contains(names, o.GetName()) {
		return true
	}
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.Kind == v1beta1.ReleasePipelineKind && slices.Contains(names, owner.Name)
}

// StageRows are the stages of a pipeline, in its order. A stage that the controller has not seen is Unknown. A pipeline
// of several charts has one row.
func StageRows(p *v1beta1.ReleasePipeline) []StageRow {
	if p.Spec.Subject.Charts != nil {
		return []StageRow{chartsRow(p)}
	}

	rows := make([]StageRow, 0, len(p.Spec.Stages))
	for _, spec := range p.Spec.Stages {
		r := StageRow{Namespace: p.Namespace, Pipeline: p.Name, Stage: spec.Name, Phase: string(Unknown)}
		if s := StageOf(p, spec.Name); s != nil {
			r.Phase = s.Phase
			r.Message = s.Message
			r.Gates = s.Gates
			if len(s.Gates) > 0 {
				r.Candidate = s.Candidate
				r.CandidateValues = s.CandidateValues
			}

			if d := s.Delivery; d != nil {
				r.Version = d.Version
				r.Digest = d.Digest
				r.ValuesDigest = d.ValuesDigest
				r.Since = &d.At
			}
		}

		if p.Spec.Suspend {
			r.Phase = string(Suspended)
		}

		rows = append(rows, r)
	}

	return rows
}

// StageOf is the status of a stage; nil when there is none.
func StageOf(p *v1beta1.ReleasePipeline, name string) *v1beta1.StageStatus {
	for i := range p.Status.Stages {
		if p.Status.Stages[i].Name == name {
			return &p.Status.Stages[i]
		}
	}
	return nil
}

// CandidateOf is the last candidate of a pipeline with a version, or the digest of a chart or of shared values; nil
// when there is none.
func CandidateOf(p *v1beta1.ReleasePipeline, text string) *v1beta1.PipelineCandidate {
	for i := range p.Status.Candidates {
		c := &p.Status.Candidates[i]
		if c.Digest == text || c.ValuesDigest != "" && c.ValuesDigest == text ||
			strings.TrimPrefix(c.Version, "v") == strings.TrimPrefix(text, "v") {
			return c
		}
	}
	return nil
}
