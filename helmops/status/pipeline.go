package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// PipelineObserved records that the controller has seen the present generation of a pipeline.
func PipelineObserved(p *v1beta1.ReleasePipeline) { p.Status.ObservedGeneration = p.Generation }

// PipelineAnswered records the request for a reconciliation that was answered.
func PipelineAnswered(p *v1beta1.ReleasePipeline, request string) {
	p.Status.LastHandledReconcileAt = request
}

// PipelineResetAnswered records the request for a reset that was answered.
func PipelineResetAnswered(p *v1beta1.ReleasePipeline, request string) {
	p.Status.LastHandledResetAt = request
}

// PipelineReset removes the rejections and failures that hold stages, as a request asks for.
func PipelineReset(p *v1beta1.ReleasePipeline, request string) {
	PipelineResetAnswered(p, request)
	for i := range p.Status.Stages {
		stage := &p.Status.Stages[i]
		stage.Held = ""
		stage.Rejected = nil
		if stage.Copy != nil && stage.Copy.Rejected {
			stage.Copy = nil
		}
	}
}

// PipelineStages records the stages of a pipeline.
func PipelineStages(p *v1beta1.ReleasePipeline, stages []v1beta1.StageStatus) {
	p.Status.Stages = stages
}

// PipelineCandidates records the candidates of a pipeline, the newest first.
func PipelineCandidates(p *v1beta1.ReleasePipeline, candidates []v1beta1.PipelineCandidate) {
	p.Status.Candidates = candidates
}

// PipelineCharts records the charts of a pipeline of several ones; nil for none.
func PipelineCharts(p *v1beta1.ReleasePipeline, charts *v1beta1.PipelineChartsStatus) {
	p.Status.Charts = charts
}

// PromotionPhase records how far a Promotion is.
func PromotionPhase(q *v1beta1.Promotion, phase string) { q.Status.Phase = phase }

// PromotionFinished records when a Promotion has ended.
func PromotionFinished(q *v1beta1.Promotion, at metav1.Time) { q.Status.FinishedAt = &at }

// PromotionStarted records when the candidate of a Promotion was delivered, who approved it, and the gates that it
// passed; nil when they are not known.
func PromotionStarted(q *v1beta1.Promotion, approvers []string, gates []v1beta1.GateStatus, at metav1.Time) {
	q.Status.ApprovedBy = approvers
	if gates != nil {
		q.Status.Gates = gates
	}
	q.Status.StartedAt = &at
}
