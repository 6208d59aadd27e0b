package main

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// maxOffered is how many pipelines of charts an error names.
const maxOffered = 5

// oneChart is an error for a pipeline of several charts, which has no candidates of its own.
func oneChart(p *v1beta1.ReleasePipeline) error {
	if p.Spec.Subject.Charts == nil {
		return nil
	}

	var names []string
	if s := p.Status.Charts; s != nil {
		for _, item := range s.Items {
			if item.Pipeline != "" && len(names) < maxOffered {
				names = append(names, item.Pipeline)
			}
		}
	}

	return fmt.Errorf("pipeline %s/%s has several charts, each with a pipeline of its own; name one of these, "+
		"for example %s", p.Namespace, p.Name, orNone(strings.Join(names, ", ")))
}

// explainCharts says how each chart of a pipeline is. The error is errNotReady when one is not Ready.
func (a *app) explainCharts(p *v1beta1.ReleasePipeline, q pipelineQuestion, out *output) error {
	if q.stage != "" || q.candidate != "" {
		return oneChart(p)
	}

	items := []v1beta1.PipelineChartStatus{}
	if p.Status.Charts != nil {
		items = p.Status.Charts.Items
	}

	var err error
	if out.machine() {
		err = out.write(a.out, view.List[v1beta1.PipelineChartStatus]{Items: items})
	} else {
		a.say("%s: %s", p.Name, oneLine(orNone(status.Message(p))))
		t := a.table(out, column{"CHART", false}, column{"PIPELINE", false}, column{"PHASE", false}, column{"MESSAGE", false})
		for _, item := range items {
			t.add(item.Chart, orNone(item.Pipeline), item.Phase, oneLine(item.Message))
		}
		if len(items) > 0 {
			err = t.write(a.out, a.tableWidth(out))
		}
	}

	if err == nil && (!status.IsReady(p) || !allReady(items)) {
		err = errNotReady
	}

	return err
}

func allReady(items []v1beta1.PipelineChartStatus) bool {
	for _, item := range items {
		if item.Phase != promotion.ChartReady {
			return false
		}
	}
	return true
}
