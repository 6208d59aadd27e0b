package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/pipeline"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// pipelineQuestion is what is asked of a pipeline: of all stages when none is named, and of what each stage waits with
// when no candidate is.
type pipelineQuestion struct {
	name, stage, candidate string
}

// addPipelineQuestion adds the flags that choose a stage and a candidate.
func (a *app) addPipelineQuestion(cmd *cobra.Command) *pipelineQuestion {
	q := &pipelineQuestion{}
	cmd.Flags().StringVar(&q.stage, "stage", "", "of a pipeline: only this stage")
	cmd.Flags().StringVar(&q.candidate, "version", "", "of a pipeline: the version, or digest, of a candidate")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("stage", a.completeStages)
	_ = cmd.RegisterFlagCompletionFunc("version", a.completeCandidates)
	return q
}

// find is the pipeline, which has the stage.
func (q pipelineQuestion) find(ctx context.Context, c *connection) (*v1beta1.ReleasePipeline, error) {
	if q.stage == "" {
		return findPipeline(ctx, c, q.name)
	}
	at, err := findStage(ctx, c, q.name, q.stage)
	return at.pipeline, err
}

// explainCandidate says why stages have a candidate, or do not. The error is errNotReady when one does not.
func (a *app) explainCandidate(
	ctx context.Context, c *connection, p *v1beta1.ReleasePipeline, q pipelineQuestion, out *output,
) error {
	candidate := knownCandidate(p, q.candidate)
	if candidate == nil {
		return fmt.Errorf("pipeline %s/%s knows no candidate %q; its candidates: %s", p.Namespace, p.Name, q.candidate,
			orNone(versionsOf(p.Status.Candidates)))
	}

	all, notes, err := pipeline.Explain(ctx, c.client, p, *candidate, q.stage, a.now())
	if err != nil {
		return fmt.Errorf("read what the gates of pipeline %s/%s look at: %w", p.Namespace, p.Name, err)
	}

	for _, note := range notes {
		a.note("%s", note)
	}

	if out.machine() {
		err = out.write(a.out, view.List[pipeline.Explanation]{Items: all})
	} else {
		a.printExplanations(p, all)
	}

	for _, e := range all {
		if err == nil && !e.Has {
			err = errNotReady
		}
	}

	return err
}

// knownCandidate is a candidate that the subject had, or that a stage verified; nil when it is not known.
func knownCandidate(p *v1beta1.ReleasePipeline, text string) *v1beta1.PipelineCandidate {
	if c := view.CandidateOf(p, text); c != nil {
		return c
	}

	var all []v1beta1.PipelineCandidate
	for _, s := range p.Status.Stages {
		for _, v := range s.Verified {
			all = append(all, v.PipelineCandidate)
		}
	}

	verified := &v1beta1.ReleasePipeline{}
	status.PipelineCandidates(verified, all)
	return view.CandidateOf(verified, text)
}

func (a *app) printExplanations(p *v1beta1.ReleasePipeline, all []pipeline.Explanation) {
	for _, e := range all {
		has := "nothing"
		if s := view.StageOf(p, e.Stage); s != nil && s.Delivery != nil {
			has = s.Delivery.Version
			if s.Delivery.ValuesDigest != "" {
				has += " with values " + v1beta1.ShortDigest(s.Delivery.ValuesDigest)
			}
		}

		verdict := e.Result
		repeats := strings.HasPrefix(e.Message, e.Version+": ") || strings.HasPrefix(e.Message, e.Version+" with values ")
		if !repeats { // the gates say it
			verdict += ", " + oneLine(e.Message)
		}

		a.say("%s has %s; %s (%s): %s", e.Stage, has, e.Version, digestsOf(e.Digest, e.ValuesDigest), verdict)
		if !e.Has {
			a.printGates(e.Gates)
		}
	}
}

// printGates prints what gates say, wrapped on a terminal.
func (a *app) printGates(gates []v1beta1.GateStatus) {
	for _, g := range gates {
		until := ""
		if g.Until != nil {
			until = " (asked again at " + timeText(g.Until) + ")"
		}
		lead := fmt.Sprintf("    %-4s  %-12s  ", g.Result, g.Name)
		fmt.Fprintln(a.out, hang(lead, oneLine(g.Message)+until, strings.Repeat(" ", len(lead)), a.outWidth))
	}
}
