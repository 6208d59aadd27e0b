package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// maxReason bounds the reason of a rollback, which is repeated in conditions and events.
const maxReason = 256

// rollbackFlags are the flags of the command rollback.
type rollbackFlags struct {
	reason string
	undo   bool
	waitFlags
}

func newRollbackCommand(a *app) *cobra.Command {
	f := &rollbackFlags{}
	cmd := &cobra.Command{
		Use:   "rollback release NAME [REVISION]",
		Short: "Go back to a former revision of a release and stay there",
		Long: `Go back to a former revision of a release and stay there. Without REVISION it is the revision that was verified last,
else the newest good one that is not what runs now.

The request is the annotation ` + v1beta1.RollbackRequestAnnotation + `; the controller does the work. The rollback ends when the chart,
the values or the post renderers change, so a correction is rolled out as usual; --undo ends it now. Until then the
release is Held and not Ready, because what runs is not what its spec asks for.

The command returns when the request is made. With --wait it exits with 0 when the revision runs, with 1 when the rollback failed or
took too long, with 2 on an error.`,
		Example: `  fairlead rollback release shop -n web --reason "checkout is slow since 1.9.1"
  fairlead rollback hr shop 41 -n web --reason INC-1234 --wait
  fairlead rollback release shop -n web --undo`,
		ValidArgsFunction: a.completeKindAndName("release"),
	}
	a.addClusterFlags(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for those who look at the release later; required")
	cmd.Flags().BoolVar(&f.undo, "undo", false,
		"remove the request: the controller deploys what the spec asks for")
	f.add(cmd, "follow the release until the revision runs, or that failed")
	a.addFormerNoWait(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args = splitKindAndName(args)
		k, name, err := kindAndName(cmd, args[:min(len(args), 2)], "release")
		if err != nil {
			return err
		}

		revision, err := f.revision(cmd, args[2:])
		if err != nil {
			return err
		}
		if f.undo {
			return a.undoRollback(cmd.Context(), k, name, f)
		}

		return a.rollback(cmd.Context(), k, name, revision, f)
	}
	return cmd
}

// revision returns the revision that is named, 0 for none.
func (f *rollbackFlags) revision(cmd *cobra.Command, rest []string) (int, error) {
	f.reason = oneLine(f.reason)
	if err := f.check(cmd); err != nil {
		return 0, err
	}

	switch {
	case len(rest) > 1:
		return 0, usagef(cmd, "expected one REVISION, got %d", len(rest))
	case f.undo && (len(rest) > 0 || f.reason != ""):
		return 0, usagef(cmd, "--undo removes the rollback request; leave the revision and --reason out")
	case f.undo:
		return 0, nil
	case f.reason == "":
		return 0, usagef(cmd, "--reason is missing; say why, for those who look at the release later")
	case len(f.reason) > maxReason:
		return 0, usagef(cmd, "--reason has %d bytes, at most %d are kept", len(f.reason), maxReason)
	case len(rest) == 0:
		return 0, nil
	}

	revision, err := strconv.Atoi(rest[0])
	if err != nil || revision < 1 {
		return 0, usagef(cmd, "revision %q is not a number above 0", rest[0])
	}

	return revision, nil
}

func (a *app) rollback(ctx context.Context, k kind, name string, revision int, f *rollbackFlags) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	object, err := a.reconcilable(ctx, c, k, key)
	if err != nil {
		return err
	}

	hr, ok := object.(*v1beta1.HelmRelease)
	if !ok {
		return fmt.Errorf("%s is not a release", k.describe(key))
	}

	target, err := view.RollbackTarget(hr, revision)
	if err != nil {
		return fmt.Errorf("%s cannot be rolled back: %w", k.describe(key), err)
	}

	request, err := json.Marshal(v1beta1.RollbackRequest{Revision: int(target.Version), Reason: f.reason, InputDigest: hr.Status.InputDigest})
	if err != nil {
		return fmt.Errorf("write the request to roll %s back: %w", k.describe(key), err)
	}

	what := fmt.Sprintf("revision %d (%s)", target.Version, chartText(&v1beta1.ChartRevision{Name: target.ChartName, Version: target.ChartVersion}))
	if !f.wait {
		if _, err := patch(ctx, c, k, key, rollbackPatch(a.token(), string(request))); err != nil {
			return err
		}

		a.say("%s: rollback to %s requested", k.describe(key), what)
		a.say("%s", rollbackEnds(key))
		a.note("To follow it: fairlead wait release %s -n %s --for phase=held", key.Name, key.Namespace)
		return nil
	}

	state, err := a.followRollback(ctx, c, k, key, string(request), f.timeout)
	if err != nil {
		return err
	}

	if state.Done && state.Reason == v1beta1.RolledBackReason {
		a.say("%s is at %s, as asked for: %s", k.describe(key), what, f.reason)
		a.say("%s", rollbackEnds(key))
		return nil
	}

	return a.concludeRollback(k, key, state, f.timeout)
}

// concludeRollback reports a release that did not get where the request wanted it.
func (a *app) concludeRollback(k kind, key types.NamespacedName, state view.Settlement, timeout time.Duration) error {
	err := a.conclude(k, key, state, timeout)
	if state.Done && state.Phase == view.Ready {
		a.say("%s", "it was not rolled back: its chart, values or post renderers changed meanwhile, "+
			"and a request ends with that")
		return errNotReady
	}
	return err
}

func (a *app) undoRollback(ctx context.Context, k kind, name string, f *rollbackFlags) error {
	c, object, err := a.named(ctx, k, name)
	if err != nil {
		return err
	}

	key := client.ObjectKeyFromObject(object)
	if object.GetAnnotations()[v1beta1.RollbackRequestAnnotation] == "" {
		a.say("%s has no rollback request; nothing was changed", k.describe(key))
		return nil
	}

	if !f.wait || view.IsSuspended(object) {
		if _, err := patch(ctx, c, k, key, rollbackPatch(a.token(), nil)); err != nil {
			return err
		}

		next := "the controller deploys what its spec asks for"
		if view.IsSuspended(object) {
			next = "the release is suspended: nothing happens until you resume it"
		}

		a.say("%s: rollback request removed; %s", k.describe(key), next)
		return nil
	}

	state, err := a.followRollback(ctx, c, k, key, nil, f.timeout)
	if err != nil {
		return err
	}

	return a.conclude(k, key, state, f.timeout)
}

// followRollback sets the request, or takes it back when it is nil, and follows the release until it has settled.
func (a *app) followRollback(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, request any, timeout time.Duration,
) (view.Settlement, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	f := a.follower(c, k, key, a.token(), timeout)
	return f.follow(ctx, func(ctx context.Context) (view.Object, error) {
		return patch(ctx, c, k, key, rollbackPatch(f.token, request))
	})
}

// rollbackPatch sets the request, or removes it when it is nil, and asks for a reconciliation, whose answer tells that the
// controller has seen it.
func rollbackPatch(token string, request any) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{
		v1beta1.ReconcileRequestAnnotation: token, v1beta1.RollbackRequestAnnotation: request,
	}}}
}

func rollbackEnds(key types.NamespacedName) string {
	return fmt.Sprintf("The rollback ends when the chart, the values or the post renderers change. "+
		"To end it now: fairlead rollback release %s -n %s --undo",
		key.Name, key.Namespace)
}
