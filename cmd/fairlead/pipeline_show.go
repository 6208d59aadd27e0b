package main

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// promotionList is the word of a list of receivers, pipelines, promotions or freezes; empty for another.
func promotionList(args []string) string {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return ""
	}
	k, _ := kindByWord(args[0])
	if _, listed := promotionListings[k.plural()]; !listed {
		return ""
	}
	return k.plural()
}

// digestsOf are the short digests of a candidate: of its chart, and of its shared values where it has them.
func digestsOf(chart, values string) string {
	if values == "" {
		return v1beta1.ShortDigest(chart)
	}
	return v1beta1.ShortDigest(chart) + ", values " + v1beta1.ShortDigest(values)
}

func timeText(t *metav1.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// explainPipeline says what each stage has, and what every gate says of the candidate that it waits with. The error is
// errNotReady when a stage waits, or failed.
func (a *app) explainPipeline(ctx context.Context, q pipelineQuestion, out *output) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	p, err := q.find(ctx, c)
	if err != nil {
		return err
	}
	if p.Spec.Subject.Charts != nil {
		return a.explainCharts(p, q, out)
	}
	if q.candidate != "" {
		return a.explainCandidate(ctx, c, p, q, out)
	}

	rows := slices.DeleteFunc(view.StageRows(p), func(r view.StageRow) bool {
		return q.stage != "" && r.Stage != q.stage
	})
	if out.machine() {
		err = out.write(a.out, map[string]any{"items": rows})
	} else {
		a.printStages(rows)
	}

	settled := func(r view.StageRow) bool { return r.Phase == "Verified" || r.Phase == "Pinned" }
	if err == nil && slices.ContainsFunc(rows, func(r view.StageRow) bool { return !settled(r) }) {
		err = errNotReady
	}

	return err
}

func (a *app) printStages(rows []view.StageRow) {
	for _, r := range rows {
		has := "nothing"
		if r.Version != "" {
			has = fmt.Sprintf("%s (%s), for %s", r.Version, digestsOf(r.Digest, r.ValuesDigest), a.age(r.Since))
		}

		fmt.Fprintf(a.out, "%s: %s, has %s\n", r.Stage, r.Phase, has)
		if r.Message != "" && r.Candidate == "" {
			fmt.Fprintln(a.out, hang("  ", oneLine(r.Message), "  ", a.outWidth))
		}
		if r.Candidate == "" {
			continue
		}

		candidate := oneLine(r.Candidate)
		if r.CandidateValues != "" {
			candidate += " with values " + v1beta1.ShortDigest(r.CandidateValues)
		}

		fmt.Fprintf(a.out, "  candidate %s\n", candidate)
		a.printGates(r.Gates)
	}
}
