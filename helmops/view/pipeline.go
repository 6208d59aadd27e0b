package view

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
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
	// Since is when it was delivered.
	Since *metav1.Time `json:"since,omitempty"`
	// Candidate is the version that Gates are about; empty when the stage waits for none.
	Candidate string               `json:"candidate,omitempty"`
	Gates     []v1beta1.GateStatus `json:"gates,omitempty"`
	Message   string               `json:"message,omitempty"`
}

// StageRows are the stages of a pipeline, in its order. A stage that the controller has not seen is Unknown.
func StageRows(p *v1beta1.ReleasePipeline) []StageRow {
	rows := make([]StageRow, 0, len(p.Spec.Stages))
	for _, spec := range p.Spec.Stages {
		r := StageRow{Namespace: p.Namespace, Pipeline: p.Name, Stage: spec.Name, Phase: string(Unknown)}
		if s := StageOf(p, spec.Name); s != nil {
			r.Phase, r.Message, r.Gates = s.Phase, s.Message, s.Gates
			if len(s.Gates) > 0 {
				r.Candidate = s.Candidate
			}
			if d := s.Delivery; d != nil {
				r.Version, r.Digest, r.Since = d.Version, d.Digest, &d.At
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

// CandidateOf is the last candidate of a pipeline with a version or a digest; nil when there is none.
func CandidateOf(p *v1beta1.ReleasePipeline, text string) *v1beta1.PipelineCandidate {
	for i := range p.Status.Candidates {
		c := &p.Status.Candidates[i]
		if c.Digest == text || strings.TrimPrefix(c.Version, "v") == strings.TrimPrefix(text, "v") {
			return c
		}
	}
	return nil
}
