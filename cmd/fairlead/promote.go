package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/view"
)

// promoteFlags are the flags of the command promote.
type promoteFlags struct {
	reason   string
	bypass   []string
	rollback bool
	*waitFlags
}

func newPromoteCommand(a *app) *cobra.Command {
	f := &promoteFlags{}
	cmd := &cobra.Command{
		Use:   "promote PIPELINE STAGE [VERSION]",
		Short: "Promote a candidate into a stage of a pipeline, or go back to one",
		Long: `Promote a candidate into a stage of a pipeline, by creating a Promotion in your name. The stage gets it when it
passes the gates of the stage, but for those of --bypass. Without VERSION, which may be a digest, it is the newest
candidate.

With --rollback the stage goes back to a candidate that it verified before, whatever gates and freezes say, and is held
until it is resumed. Without VERSION that is the one that it verified last, beside what it has.

With --wait it exits with 0 when the HelmReleases have verified the candidate, and with 1 when it is not promoted, is
rejected or is not verified in time.

Gates: ` + strings.Join(promotion.Bypassable(), ", ") + ", checks/NAME",
		Example: `  fairlead promote shop prod -n web
  fairlead promote shop prod 1.4.3 --bypass soak,windows --reason INC-1234 -n web --wait
  fairlead promote shop prod --rollback --reason INC-1234 -n web`,
		ValidArgsFunction: a.completePromote,
	}
	a.addClusterFlags(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; it is kept in the record of the promotion")
	cmd.Flags().StringSliceVar(&f.bypass, "bypass", nil, "gates that do not have to pass, for example soak,windows")
	cmd.Flags().BoolVar(&f.rollback, "rollback", false, "go back to a candidate that the stage verified before")
	f.waitFlags = addWaitFlags(cmd, "wait until the candidate is verified, rejected or not promoted")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("bypass",
		cobra.FixedCompletions(promotion.Bypassable(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) && strings.Contains(args[0], "/") {
			args = splitKindAndName(args)[1:]
		}
		if len(args) < 2 || len(args) > 3 || slices.Contains(args, "") {
			return usagef(cmd, "expected PIPELINE, STAGE and perhaps VERSION")
		}

		for _, gate := range f.bypass {
			if !promotion.CanBypass(gate) {
				return usagef(cmd, "--bypass %q is not a gate that can be bypassed; gates: %s", gate,
					strings.Join(promotion.Bypassable(), ", "))
			}
		}

		if f.rollback && len(f.bypass) > 0 {
			return usagef(cmd, "--rollback passes no gates, so --bypass does not go with it")
		}
		if err := f.check(cmd); err != nil {
			return err
		}

		return a.promote(cmd.Context(), f, args)
	}
	return cmd
}

// promote creates a Promotion, says what the stage waits for, and waits for its end.
func (a *app) promote(ctx context.Context, f *promoteFlags, args []string) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	at, err := findStage(ctx, c, args[0], args[1])
	if err == nil {
		err = oneChart(at.pipeline)
	}
	if err != nil {
		return err
	}

	candidate, err := f.choose(at, args[2:])
	if err != nil {
		return err
	}

	user, err := c.user(ctx)
	if err != nil {
		return fmt.Errorf("ask the API server who you are: %w", err)
	}

	q := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{
		Namespace: at.pipeline.Namespace, GenerateName: at.pipeline.SourceName(at.spec().Name) + "-",
	}}
	q.Spec = v1beta1.PromotionSpec{
		Pipeline: at.pipeline.Name, Stage: at.spec().Name, Version: candidate.Version, Digest: candidate.Digest,
		ValuesDigest: candidate.ValuesDigest,
		Cause:        v1beta1.ManualCause, Reason: f.reason, Bypass: f.bypass, RequestedBy: user,
	}
	does := "requested"
	if f.rollback {
		q.Spec.Cause = v1beta1.RollbackCause
		does = "requested as a rollback"
	}

	if err := c.client.Create(ctx, q, fieldManager, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		return requestError("create", "promotions", q.Namespace, "", err)
	}

	said := fmt.Sprintf("%s: %s (%s) %s by %s, as Promotion %s", at.describe(), candidate.Version,
		digestsOf(candidate.Digest, candidate.ValuesDigest), does, user, q.Name)
	if f.wait {
		a.note("%s", said)
		return a.awaitPromotion(ctx, c, q, f.waitFlags)
	}

	a.say("%s", said)
	if waits := f.waitsFor(at, candidate); waits != "" {
		a.note("It waits for %s", waits)
	}

	a.note("To follow it: fairlead get promotions %s -n %s --watch", q.Name, q.Namespace)
	return nil
}

// choose is the candidate of a version or digest. Without one it is the newest, or the one to go back to.
func (f *promoteFlags) choose(at stageSite, version []string) (*v1beta1.PipelineCandidate, error) {
	if f.rollback {
		return at.former(version)
	}

	p := at.pipeline
	if len(p.Status.Candidates) == 0 {
		return nil, fmt.Errorf("pipeline %s/%s has no candidates yet; to see why: "+
			"kubectl describe releasepipeline %s -n %s", p.Namespace, p.Name, p.Name, p.Namespace)
	}

	if len(version) == 0 {
		version = []string{view.NewBoardRow(p).Newest}
	}
	if c := view.CandidateOf(p, version[0]); c != nil {
		return c, nil
	}

	return nil, fmt.Errorf("pipeline %s/%s has no candidate %q; it has %s", p.Namespace, p.Name, version[0],
		versionsOf(p.Status.Candidates))
}

// former is a candidate that a stage verified: the one that is named, else the last one that it does not have and did
// not reject.
func (s stageSite) former(version []string) (*v1beta1.PipelineCandidate, error) {
	var all []v1beta1.PipelineCandidate
	if had := view.StageOf(s.pipeline, s.spec().Name); had != nil {
		for i := len(had.Verified) - 1; i >= 0; i-- {
			c := had.Verified[i].PipelineCandidate
			rejected := slices.ContainsFunc(had.Rejected, func(r v1beta1.StageRejection) bool {
				return r.Digest == c.Digest && r.ValuesDigest == c.ValuesDigest
			})
			has := had.Delivery != nil && had.Delivery.Digest == c.Digest && had.Delivery.ValuesDigest == c.ValuesDigest
			if !rejected && !has {
				all = append(all, c)
			}
		}
	}

	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%s verified nothing else that it can go back to", s.describe())
	case len(version) == 0:
		return &all[0], nil
	}

	verified := &v1beta1.ReleasePipeline{}
	status.PipelineCandidates(verified, all)
	if c := view.CandidateOf(verified, version[0]); c != nil {
		return c, nil
	}

	return nil, fmt.Errorf("%s cannot go back to %q; it can to %s", s.describe(), version[0], versionsOf(all))
}

func versionsOf(candidates []v1beta1.PipelineCandidate) string {
	var versions []string
	for _, c := range candidates {
		if !slices.Contains(versions, c.Version) {
			versions = append(versions, c.Version)
		}
	}
	return strings.Join(versions, ", ")
}

// waitsFor are the gates that the stage waits for with a candidate, as the controller said last; empty for none.
func (f *promoteFlags) waitsFor(at stageSite, candidate *v1beta1.PipelineCandidate) string {
	s := view.StageOf(at.pipeline, at.spec().Name)
	if f.rollback || s == nil || s.Candidate != candidate.Version || s.CandidateValues != candidate.ValuesDigest {
		return ""
	}

	var waits []string
	for _, g := range s.Gates {
		if g.Result != string(promotion.Pass) && !slices.Contains(f.bypass, g.Name) {
			waits = append(waits, g.Name+" ("+oneLine(g.Message)+")")
		}
	}

	return strings.Join(waits, ", ")
}

// errSettled ends a watch: what was waited for has happened.
var errSettled = errors.New("settled")

// awaitPromotion shows how a Promotion is until it has ended. The error is errNotReady when it did not end verified.
func (a *app) awaitPromotion(ctx context.Context, c *connection, q *v1beta1.Promotion, w *waitFlags) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	shows := &progress{w: a.err, width: a.width}
	f := feed{cluster: c, resource: "promotions", namespace: q.Namespace, selector: labels.Everything(),
		empty: func() client.ObjectList { return &v1beta1.PromotionList{} },
		wants: func(o client.Object) bool { return o.GetName() == q.Name }}
	last := q
	seen := false
	err := f.follow(ctx, 0, func(objects []client.Object) error {
		if len(objects) == 0 {
			if seen {
				return fmt.Errorf("promotion %s/%s was deleted in the meantime", q.Namespace, q.Name)
			}
			return nil
		}

		last = objects[0].(*v1beta1.Promotion)
		seen = true
		if last.IsFinal() {
			return errSettled
		}

		shows.show(promotionText(last))
		return nil
	})
	shows.clear()
	switch {
	case errors.Is(err, errSettled):
		a.say("%s", promotionText(last))
		if last.Status.Phase == v1beta1.PromotionVerified {
			return nil
		}

		return errNotReady
	case err != nil:
		return err
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return stopped(ctx)
	}

	a.say("Promotion %s/%s has not ended after %s; it is %s", q.Namespace, q.Name, w.timeout, promotionText(last))
	return errNotReady
}

func promotionText(q *v1beta1.Promotion) string {
	phase := q.Status.Phase
	message := oneLine(status.Message(q))
	if phase == "" {
		return "waiting for the controller"
	}
	return phase + ": " + message
}

// completePromote completes a pipeline, one of its stages, and one of its candidates.
func (a *app) completePromote(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completePipelines(cmd, args, toComplete)
	case 1:
		return withPrefix(a.stagesOf(cmd.Context(), args[0]), toComplete), cobra.ShellCompDirectiveNoFileComp
	case 2:
		return withPrefix(a.candidatesOf(cmd.Context(), args[0]), toComplete), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
