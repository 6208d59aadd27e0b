package view

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// BoardRow is one pipeline on the board.
type BoardRow struct {
	Namespace string `json:"namespace"`
	Pipeline  string `json:"pipeline"`
	Suspended bool   `json:"suspended"`
	// Newest is the version of the newest candidate; empty when there is none.
	Newest string       `json:"newest,omitempty"`
	Stages []BoardStage `json:"stages"`
}

// BoardStage is one stage of a pipeline on the board.
type BoardStage struct {
	Stage string `json:"stage"`
	Phase string `json:"phase"`
	// Version and Digest of what the stage has; empty for nothing.
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// ValuesDigest is that of the shared values of what the stage has; empty without them.
	ValuesDigest string       `json:"valuesDigest,omitempty"`
	Since        *metav1.Time `json:"since,omitempty"`
	// Behind is how many candidates are newer than what the stage has.
	Behind int `json:"behind"`
	// Candidate is the version that does not pass, and Waits are the gates that it does not pass.
	Candidate string               `json:"candidate,omitempty"`
	Waits     []v1beta1.GateStatus `json:"waits,omitempty"`
	Message   string               `json:"message,omitempty"`
}

// NewBoardRow puts a pipeline on the board.
func NewBoardRow(p *v1beta1.ReleasePipeline) BoardRow {
	candidates := make([]promotion.Candidate, 0, len(p.Status.Candidates))
	for _, c := range p.Status.Candidates {
		candidates = append(candidates, candidateOf(c))
	}

	row := BoardRow{
		Namespace: p.Namespace, Pipeline: p.Name, Suspended: p.Spec.Suspend, Stages: []BoardStage{},
	}
	if newest := promotion.Newest(candidates); newest != nil {
		row.Newest = newest.Version
	}

	for _, r := range StageRows(p) {
		stage := BoardStage{
			Stage: r.Stage, Phase: r.Phase, Version: r.Version, Digest: r.Digest,
			ValuesDigest: r.ValuesDigest, Since: r.Since, Message: r.Message,
		}
		if s := StageOf(p, r.Stage); s != nil && s.Delivery != nil {
			stage.Behind = promotion.Newer(candidates, candidateOf(s.Delivery.PipelineCandidate))
		}

		for _, g := range r.Gates {
			if g.Result != string(promotion.Pass) {
				stage.Candidate = r.Candidate
				stage.Waits = append(stage.Waits, g)
			}
		}

		row.Stages = append(row.Stages, stage)
	}

	return row
}

func candidateOf(c v1beta1.PipelineCandidate) promotion.Candidate {
	return promotion.Candidate{
		Version: c.Version, FirstSeen: c.FirstSeen.Time,
		ID: promotion.Identity{Chart: c.Digest, Values: c.ValuesDigest},
	}
}
