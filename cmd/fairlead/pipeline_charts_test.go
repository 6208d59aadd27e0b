package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// chartPipelines are a pipeline of two charts, and those of its charts.
func chartPipelines() []client.Object {
	parent := shopPipeline(func(p *v1beta1.ReleasePipeline) {
		p.UID, p.Generation = "uid-of-shop", 1
		p.Spec.Subject.Charts = &v1beta1.PipelineCharts{Names: []string{"cart", "web"}}
		p.Status = v1beta1.ReleasePipelineStatus{ObservedGeneration: 1, Charts: &v1beta1.PipelineChartsStatus{
			Total: 2, Ready: 1, Waiting: 1, Items: []v1beta1.PipelineChartStatus{
				{Chart: "cart", Pipeline: "shop-cart", Phase: "Waiting", Message: "prod Blocked with 1.4.3"},
				{Chart: "web", Pipeline: "shop-web", Phase: "Ready"},
			},
		}}
		status.Ready(p, v1beta1.SucceededReason, "2 charts: 1 ready, 1 waiting, 0 failed", now)
	})
	all := []client.Object{parent}
	for _, chart := range []string{"cart", "web"} {
		all = append(all, shopPipeline(func(p *v1beta1.ReleasePipeline) {
			p.Name, p.Spec.Subject.Chart = "shop-"+chart, chart
			p.OwnerReferences = []metav1.OwnerReference{
				*metav1.NewControllerRef(parent, v1beta1.GroupVersion.WithKind(v1beta1.ReleasePipelineKind)),
			}
			if chart == "web" {
				p.Status.Stages[1].Phase, p.Status.Stages[1].Gates = "Verified", nil
			}
		}))
	}
	return all
}

// A pipeline of several charts is shown with the pipelines of these. What is about candidates names one of them.
func TestPipelinesOfCharts(t *testing.T) {
	t.Parallel()
	other := shopPipeline(func(p *v1beta1.ReleasePipeline) { p.Name = "other" })
	w := world{objects: append(chartPipelines(), other)}
	empty := world{objects: chartPipelines()[:1]}
	runGolden(t, []goldenCase{
		{"charts-get", w, "get pipelines"},
		{"charts-get-named", w, "get pipelines shop"},
		{"charts-board", w, "board shop"},
		{"charts-board-empty", empty, "board shop"},
		{"charts-explain", w, "explain pipeline shop"},
		{"charts-explain-json", w, "explain pipeline shop -o json"},
		{"charts-explain-stage", w, "explain pipeline shop --stage prod"},
		{"charts-explain-one", w, "explain pipeline shop-web"},
		{"charts-approve", w, "approve pipeline shop --stage prod"},
		{"charts-promote", w, "promote shop prod"},
		{"charts-history", w, "history pipeline shop"},
		{"charts-hold", w, "hold pipeline shop --stage prod --reason incident"},
	})
}
