package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func isPipeline(args []string) bool {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return false
	}
	k, _ := kindByWord(args[0])
	return k.name == v1beta1.ReleasePipelineKind
}

// pipelineName reads the arguments pipeline NAME.
func pipelineName(cmd *cobra.Command, args []string) (string, error) {
	args = splitKindAndName(args)
	if !isPipeline(args) || len(args) != 2 || args[1] == "" {
		return "", usagef(cmd, "expected pipeline and NAME")
	}
	return args[1], nil
}

// stageAction is a command that changes one stage of a pipeline.
type stageAction struct {
	use, short, long, example string
	// needs names the flag that has to be given beside --stage; empty for none.
	needs, help string
	// flags adds further flags; nil for none.
	flags func(*pflag.FlagSet)
	// plans decides about the plan of an object instead; nil for a command that works on stages only.
	plans func(ctx context.Context, c *connection, at planSite, digest string) (said string, err error)
	do    func(ctx context.Context, c *connection, at stageSite, value string) (said string, err error)
}

// stageSite is one stage of a pipeline in the cluster.
type stageSite struct {
	pipeline *v1beta1.ReleasePipeline
	index    int
}

func (s stageSite) spec() *v1beta1.PipelineStage { return &s.pipeline.Spec.Stages[s.index] }

func (s stageSite) describe() string {
	return fmt.Sprintf("pipeline %s/%s stage %s", s.pipeline.Namespace, s.pipeline.Name, s.spec().Name)
}

// gitNote is what commands say that change the spec.
const gitNote = "\nSomething that applies the pipeline from Git may undo this; then change it there."

// Texts of the commands that decide about candidates and plans.
const (
	approveLong = "Approve a candidate for a stage of a pipeline, by a PromotionApproval in your name. It counts for\n" +
		"one digest, and for no other content of the same version. Without --version it is the candidate\n" +
		"that the stage waits with.\n\n" +
		"Or approve the plan that a release or a Kustomization waits with, by an Approval in your name. It counts for the plan\n" +
		"with the digest of --plan, and for no other. With --prune it confirms the deletions that a Kustomization\n" +
		"waits with."
	rejectLong = "Keep a candidate out of a stage of a pipeline and of all stages after it, by adding it to\n" +
		"spec.stages[].rejected. A stage that has it goes back to what it verified before." + gitNote + "\n" +
		"With --object it is a PromotionApproval in your name that rejects one digest, until it is deleted.\n\n" +
		"Or reject the plan that a release or a Kustomization waits with, by an Approval in your name. The plan with the digest\n" +
		"of --plan does not run until that object is deleted. With --prune it is about the deletions that a\n" +
		"Kustomization waits with."
)

func newStageCommands(a *app) []*cobra.Command {
	version := "version"
	reason := "reason"
	decision := &decisionFlags{}
	actions := []stageAction{
		{
			use: "approve", short: "Approve a candidate of a pipeline, or a plan",
			long: approveLong,
			example: "  fairlead approve pipeline shop --stage prod -n web\n" +
				"  fairlead approve pipeline shop --stage prod --version 1.4.3 -n web\n" +
				"  fairlead plan release shop --waiting -n web\n" +
				"  fairlead approve release shop --plan 2ad772e4ecf0 -n web\n" +
				"  fairlead approve kustomization apps --prune 9f86d081884c -n fleet",
			help: "version or digest of the candidate", flags: decision.addComment,
			do: decision.approve, plans: decision.approvePlan,
		},
		{
			use: "reject", short: "Keep a candidate out of a stage of a pipeline, or reject a plan",
			long: rejectLong,
			example: "  fairlead reject pipeline shop --stage staging --version 1.4.3 -n web\n" +
				"  fairlead reject pipeline shop --stage prod --version 1.4.3 --object --comment 'too slow' -n web\n" +
				"  fairlead reject release shop --plan 2ad772e4ecf0 --comment 'not before Monday' -n web",
			needs: version, help: "version or digest of the candidate", flags: decision.addReject,
			do: decision.reject, plans: decision.rejectPlan,
		},
		{
			use: "pin", short: "Choose the version that a stage of a pipeline has",
			long: "Choose the version that a stage of a pipeline has, whatever its gates say, by setting\n" +
				"spec.stages[].pin. " +
				"A freeze holds it only when the stage never had that version." + gitNote,
			example: "  fairlead pin pipeline shop --stage prod --version 1.4.2 -n web",
			needs:   version, help: "version or digest", do: a.pin,
		},
		{
			use: "unpin", short: "Let a stage of a pipeline get candidates again",
			long:    "Let a stage of a pipeline get candidates again, by removing spec.stages[].pin." + gitNote,
			example: "  fairlead unpin pipeline shop --stage prod -n web", do: a.unpin,
		},
		{
			use: "hold", short: "Keep a stage of a pipeline from getting anything new",
			long: "Keep a stage of a pipeline from getting anything new, by setting spec.stages[].hold.\n" +
				"Rollbacks are not held." + gitNote,
			example: "  fairlead hold pipeline shop --stage prod --reason 'the database is migrated' -n web",
			needs:   reason, help: "why", do: a.hold,
		},
	}
	all := make([]*cobra.Command, 0, len(actions))
	for _, action := range actions {
		all = append(all, a.stageCommand(action))
	}

	return all
}

func (a *app) stageCommand(action stageAction) *cobra.Command {
	cmd := &cobra.Command{
		Use: action.use + " pipeline NAME", Short: action.short, Long: action.long, Example: action.example,
		ValidArgsFunction: a.completePipeline(),
	}
	a.addClusterFlags(cmd)
	stage := cmd.Flags().String("stage", "", "stage of the pipeline")
	value := new(string)
	flag := action.needs
	if flag == "" && action.help != "" {
		flag = "version"
	}
	if flag != "" {
		value = cmd.Flags().String(flag, "", action.help)
	}
	if action.flags != nil {
		action.flags(cmd.Flags())
	}

	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("stage", a.completeStages)
	if flag == "version" {
		_ = cmd.RegisterFlagCompletionFunc("version", a.completeCandidates)
	}

	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, err := pipelineName(cmd, args)
		switch {
		case err != nil:
			return err
		case *stage == "":
			return usagef(cmd, "--stage is missing")
		case action.needs != "" && *value == "":
			return usagef(cmd, "--%s is missing", action.needs)
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		at, err := findStage(cmd.Context(), c, name, *stage)
		if err != nil {
			return err
		}

		said, err := action.do(cmd.Context(), c, at, *value)
		if err == nil {
			a.say("%s", said)
		}

		return err
	}
	if action.plans != nil {
		a.addPlans(cmd, action)
	}

	return cmd
}

// addPlans has a command about stages decide about plans of objects, too.
func (a *app) addPlans(cmd *cobra.Command, action stageAction) {
	cmd.Use = action.use + " (pipeline|release|kustomization) NAME"
	cmd.ValidArgsFunction = a.completePipeline(plannedWords...)
	digest := cmd.Flags().String("plan", "", "digest of the plan; its first twelve characters are enough")
	prune := cmd.Flags().String("prune", "", "digest of the deletions of a Kustomization that wait for a confirmation")
	onStage := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) {
			return onStage(cmd, args)
		}
		return a.decideOnPlan(cmd, args, *digest, *prune, action)
	}
}

func findPipeline(ctx context.Context, c *connection, name string) (*v1beta1.ReleasePipeline, error) {
	p := &v1beta1.ReleasePipeline{}
	err := c.client.Get(ctx, types.NamespacedName{Namespace: c.namespace, Name: name}, p)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("pipeline %s/%s does not exist; to list pipelines: fairlead get pipelines -n %s",
			c.namespace, name, c.namespace)
	}
	if err != nil {
		return nil, requestError("get", "releasepipelines", c.namespace, name, err)
	}

	return p, nil
}

func requestError(verb, resource, namespace, name string, err error) error {
	return &view.RequestError{Verb: verb, Resource: resource, Namespace: namespace, Name: name, Err: err}
}

func findStage(ctx context.Context, c *connection, name, stage string) (stageSite, error) {
	p, err := findPipeline(ctx, c, name)
	if err != nil {
		return stageSite{}, err
	}

	names := make([]string, 0, len(p.Spec.Stages))
	for i, s := range p.Spec.Stages {
		if s.Name == stage {
			return stageSite{pipeline: p, index: i}, nil
		}
		names = append(names, s.Name)
	}

	return stageSite{}, fmt.Errorf("pipeline %s/%s has no stage %q; it has %s", p.Namespace, p.Name, stage,
		strings.Join(names, ", "))
}

// change is one operation of a JSON patch.
type change struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// set writes a field of a stage; nil removes it. The patch fails when the stages have another order by then.
func (s stageSite) set(ctx context.Context, c *connection, field string, value any) error {
	base := fmt.Sprintf("/spec/stages/%d/", s.index)
	does := change{Op: "add", Path: base + field, Value: value}
	if value == nil {
		does.Op = "remove"
	}

	data, err := json.Marshal([]change{{Op: "test", Path: base + "name", Value: s.spec().Name}, does})
	if err != nil {
		return fmt.Errorf("write the patch of %s: %w", s.describe(), err)
	}

	object := s.pipeline.DeepCopy()
	err = c.client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, data), fieldManager,
		client.FieldValidation(metav1.FieldValidationStrict))
	if err != nil {
		return requestError("patch", "releasepipelines", object.Namespace, object.Name, err)
	}

	return nil
}

func (a *app) pin(ctx context.Context, c *connection, at stageSite, version string) (string, error) {
	if at.spec().Pin == version {
		return fmt.Sprintf("%s is pinned to %s already; nothing was changed", at.describe(), version), nil
	}
	said := fmt.Sprintf("%s pinned to %s", at.describe(), version)
	if knownCandidate(at.pipeline, version) == nil {
		said += "; the pipeline has no such candidate, and the stage keeps what it has until there is one"
	}
	return said, at.set(ctx, c, "pin", version)
}

func (a *app) unpin(ctx context.Context, c *connection, at stageSite, _ string) (string, error) {
	if at.spec().Pin == "" {
		return at.describe() + " is not pinned; nothing was changed", nil
	}
	return at.describe() + " is no longer pinned", at.set(ctx, c, "pin", nil)
}

func (a *app) hold(ctx context.Context, c *connection, at stageSite, reason string) (string, error) {
	return fmt.Sprintf("%s held: %s", at.describe(), reason), at.set(ctx, c, "hold", reason)
}

// resumePipeline removes the hold of a stage, that of a user and that of a failure, and what the pipeline rejected.
func (a *app) resumePipeline(ctx context.Context, name, stage string) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	at, err := findStage(ctx, c, name, stage)
	if err != nil {
		return err
	}

	if at.spec().Hold != "" {
		if err := at.set(ctx, c, "hold", nil); err != nil {
			return err
		}
	}

	token := a.token()
	data, err := json.Marshal(requestPatch(token, v1beta1.ResetRequestAnnotation))
	if err != nil {
		return fmt.Errorf("write the patch of %s: %w", at.describe(), err)
	}

	if err := c.client.Patch(ctx, at.pipeline.DeepCopy(), client.RawPatch(types.MergePatchType, data),
		fieldManager); err != nil {
		return requestError("patch", "releasepipelines", c.namespace, name, err)
	}

	a.say("%s resumed; what the HelmReleases rejected may be promoted again", at.describe())
	return nil
}
