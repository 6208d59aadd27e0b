package main

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// pipelineHistory prints what the stages of a pipeline got, from its Promotions, newest first.
func (a *app) pipelineHistory(ctx context.Context, name, stage string, out *output) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	var p *v1beta1.ReleasePipeline
	if stage == "" {
		p, err = findPipeline(ctx, c, name)
	} else {
		var at stageSite
		at, err = findStage(ctx, c, name, stage)
		p = at.pipeline
	}

	if err == nil {
		err = oneChart(p)
	}
	if err != nil {
		return err
	}

	f := feed{cluster: c, resource: "promotions", namespace: c.namespace, selector: labels.Everything(),
		empty: func() client.ObjectList { return &v1beta1.PromotionList{} },
		wants: func(o client.Object) bool {
			return metav1.IsControlledBy(o, p) && (stage == "" || o.(*v1beta1.Promotion).Spec.Stage == stage)
		}}
	objects, err := f.read(ctx)
	if err != nil {
		return err
	}

	records := promotionsOf(objects)
	if out.machine() {
		rows := make([]promotionRow, 0, len(records))
		for _, r := range records {
			rows = append(rows, newPromotionRow(r))
		}

		return out.write(a.out, map[string]any{"items": rows})
	}

	if len(records) == 0 {
		a.note("pipeline %s/%s has promoted nothing yet; what it waits for: fairlead explain pipeline %s -n %s",
			p.Namespace, p.Name, p.Name, p.Namespace)
		return nil
	}

	return a.promotionHistory(records, out).write(a.out, a.tableWidth(out))
}

// roomyHistory is the width of a terminal from which on the history has digests, and seconds.
const roomyHistory = 110

func (a *app) promotionHistory(records []*v1beta1.Promotion, out *output) *table {
	tight := a.tableWidth(out) > 0 && a.tableWidth(out) < roomyHistory
	t := a.table(out, []column{
		{"TIME", false}, {"STAGE", false}, {"VERSION", false}, {"DIGEST", tight}, {"CAUSE", false}, {"PHASE", false},
		{"TOOK", false}, {"PROMOTION", !out.wide()}, {"REASON", false},
	}...)
	for _, r := range records {
		when := timeText(&r.CreationTimestamp)
		if tight {
			when = r.CreationTimestamp.UTC().Format("2006-01-02T15:04Z")
		}

		t.add(when, r.Spec.Stage, r.Spec.Version, digestsOf(r.Spec.Digest, r.Spec.ValuesDigest),
			r.Spec.Cause, r.Status.Phase, took(r), r.Name, r.Spec.Reason)
	}

	return t
}

// took is how long it was until the verdict, empty while there is none.
func took(p *v1beta1.Promotion) string {
	if p.Status.FinishedAt == nil {
		return ""
	}
	return duration.HumanDuration(max(0, p.Status.FinishedAt.Sub(p.CreationTimestamp.Time)))
}
