package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// cancelledWords are the kinds whose steps can be cancelled.
var cancelledWords = []string{"release", "kustomization"}

// cancelPoll is how often the command looks whether the controller has answered.
const cancelPoll = 250 * time.Millisecond

// cancelFlags are the flags of the command cancel.
type cancelFlags struct {
	reason   string
	rollback bool
	timeout  time.Duration
}

func newCancelCommand(a *app) *cobra.Command {
	f := &cancelFlags{}
	cmd := &cobra.Command{
		Use:   "cancel KIND NAME",
		Short: "End the step of a release or Kustomization that is running",
		Long: `End the step of a release or Kustomization that is running.

Of a release it ends the wait for readiness, for a hook or for a test, in an install, upgrade, rollback or test. The
revision counts as failed, and stays as it is: the controller neither retries nor rolls back until the chart, the
values or the settings change, or until "fairlead reconcile release NAME --reset". The Job of a hook runs on. With
--rollback the controller goes back to the last good revision, as with "fairlead rollback".

Of a Kustomization it ends the attempt, or the wait for health after it. The controller tries the same revision again
when "fairlead reconcile kustomization NAME" asks for it.

The command waits until the controller has answered. It exits with 0 also when no step was running, and with 1 when
the controller did not answer in time.`,
		Example: `  fairlead cancel release shop -n web
  fairlead cancel release shop -n web --reason "migration hangs, INC-1234"
  fairlead cancel release shop -n web --rollback --reason INC-1234
  fairlead cancel kustomization apps -n fleet`,
		ValidArgsFunction: a.completeKindAndName(cancelledWords...),
	}
	a.addClusterFlags(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for those who look at the object later; --rollback needs one")
	cmd.Flags().BoolVar(&f.rollback, "rollback", false,
		"releases only: go back to the last good revision when the step has ended")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long to wait for the answer of the controller")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, cancelledWords...)
		if err != nil {
			return err
		}
		if err := f.check(cmd, k); err != nil {
			return err
		}

		return a.cancel(cmd.Context(), k, name, f)
	}
	return cmd
}

// check refuses flags that do not fit.
func (f *cancelFlags) check(cmd *cobra.Command, k kind) error {
	f.reason = oneLine(f.reason)
	switch {
	case len(f.reason) > maxReason:
		return usagef(cmd, "--reason has %d bytes, at most %d are kept", len(f.reason), maxReason)
	case f.rollback && k.name != v1beta1.HelmReleaseKind:
		return usagef(cmd, "--rollback is for releases only; this is of kind %s", k.word)
	case f.rollback && f.reason == "":
		return usagef(cmd, "--rollback needs a --reason; say why, for those who look at the release later")
	case f.timeout <= 0:
		return usagef(cmd, "--timeout has to be above 0")
	default:
		return nil
	}
}

func (a *app) cancel(ctx context.Context, k kind, name string, f *cancelFlags) error {
	c, object, err := a.named(ctx, k, name)
	if err != nil {
		return err
	}

	key := client.ObjectKeyFromObject(object)
	if object.GetDeletionTimestamp() != nil {
		return fmt.Errorf("%s is being deleted, which cannot be cancelled; nothing was changed", k.describe(key))
	}

	token := a.token()
	if _, err := patch(ctx, c, k, key, cancelPatch(token, f.reason)); err != nil {
		return err
	}

	object, err = a.cancelAnswer(ctx, c, k, key, token, f.timeout)
	if err != nil || object == nil {
		return err
	}

	what, is := cancelledBy(object, token)
	if !is {
		a.say("%s: no step was running; nothing was cancelled", k.describe(key))
		return nil
	}

	a.say("%s: %s was cancelled", k.describe(key), what)
	if f.rollback {
		return a.rollback(ctx, k, name, 0, &rollbackFlags{reason: f.reason})
	}

	a.note("%s", cancelNext(k, key))
	return nil
}

// cancelAnswer waits until the controller has answered a request to cancel, and returns the object as it is then. It
// says so, and returns errNotReady, when the time is over.
func (a *app) cancelAnswer(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, token string, timeout time.Duration,
) (view.Object, error) {
	var object view.Object
	reader := view.NewReader(c.client)
	err := wait.PollUntilContextTimeout(ctx, cancelPoll, timeout, true, func(ctx context.Context) (bool, error) {
		var err error
		object, err = reader.Object(ctx, k.name, key)
		if err != nil {
			return false, err
		}
		return view.CancelHandled(object) == token, nil
	})
	switch {
	case err == nil:
		return object, nil
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		a.say("%s: the controller did not answer within %s; it cancels the step when it sees the request",
			k.describe(key), timeout)
		return nil, errNotReady
	default:
		return nil, err
	}
}

// cancelledBy says what the request with a token has cancelled; false when no step was running.
func cancelledBy(object view.Object, token string) (what string, is bool) {
	switch o := object.(type) {
	case *v1beta1.HelmRelease:
		if c := o.Status.Cancelled; c != nil && c.RequestedAt == token {
			return "the " + c.Action + " with chart version " + c.ChartVersion, true
		}
	case *v1beta1.Kustomization:
		c := o.Status.Cancelled
		switch {
		case c == nil || c.RequestedAt != token:
		case c.Action == v1beta1.CancelledWait:
			return "the wait for the health of " + c.Revision, true
		default:
			return "applying " + c.Revision, true
		}
	default:
	}

	return "", false
}

// cancelNext says what a user can do next.
func cancelNext(k kind, key types.NamespacedName) string {
	if k.name == v1beta1.HelmReleaseKind {
		return fmt.Sprintf("To try it again: fairlead reconcile release %s -n %s --reset. To go back: "+
			"fairlead rollback release %s -n %s --reason …", key.Name, key.Namespace, key.Name, key.Namespace)
	}
	return fmt.Sprintf("To try it again: fairlead reconcile kustomization %s -n %s", key.Name, key.Namespace)
}

// cancelPatch is requestPatch for a request to cancel, with the reason.
func cancelPatch(token, reason string) map[string]any {
	change := requestPatch(token, v1beta1.CancelRequestAnnotation)
	metadata := change["metadata"].(map[string]any)
	metadata["annotations"].(map[string]any)[v1beta1.CancelReasonAnnotation] = emptyAsNil(reason)
	return change
}
