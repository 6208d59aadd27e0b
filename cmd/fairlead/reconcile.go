package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

const reconcileLong = `Ask the controller to reconcile an object now. An attempt that failed is retried without waiting for its back-off.

A release that is Stalled stays Stalled: --reset makes the controller forget its failures and retry, and --force
makes it install or upgrade the release once, even when nothing changed. For a Kustomization, --force makes one
attempt that recreates the objects whose change touches an immutable field, as spec.force does.

What a window of spec.sync holds stays held. --override-window with a --reason makes one attempt all the same, where
the windows that hold it say manual: true. The controller emits an event with the reason.

With --object the controller writes only that object of a release, as the revision that runs has it, whatever
spec.driftDetection.mode is. The command waits until that is done. It is no sync of the release.

With --wait it exits with 0 when the object became Ready, and with 1 when it failed, stalled or was not ready in time.

Kinds:`

func newReconcileCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reconcile KIND NAME",
		Aliases: []string{"sync"},
		Short:   "Ask the controller to reconcile an object now",
		Long:    reconcileLong + kindTable(reconciledWords...),
		Example: `  fairlead reconcile release shop -n web
  fairlead reconcile release shop -n web --with-source --wait --timeout 10m
  fairlead reconcile release shop -n web --reset --wait
  fairlead reconcile kustomization apps -n web --force
  fairlead sync release shop -n web --override-window --reason INC-1234
  fairlead sync release shop -n web --object Deployment/shop
  fairlead reconcile helmrepository charts -n web --wait`,
		ValidArgsFunction: a.completeKindAndName(reconciledWords...),
	}
	a.addClusterFlags(cmd)
	w := addWaitFlags(cmd, "follow the object until it is Ready, failed or stalled")
	withSource := cmd.Flags().Bool("with-source", false, "reconcile the sources of a release or chart first, and wait for them")
	force := cmd.Flags().Bool("force", false,
		"releases and Kustomizations only: install or upgrade once, even when nothing changed; recreate objects once")
	reset := cmd.Flags().Bool("reset", false, "releases only: forget the failures and retry, also when the release is Stalled")
	override := cmd.Flags().Bool("override-window", false,
		"releases and Kustomizations only: make one attempt although no window of spec.sync is open; needs --reason")
	reason := cmd.Flags().String("reason", "", "why the windows are overridden")
	objects := cmd.Flags().StringArray("object", nil,
		"releases only: bring this object alone back to what the revision says, as Kind/name; can be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, reconciledWords...)
		if err != nil {
			return err
		}
		if err := w.check(cmd); err != nil {
			return err
		}
		if err := checkSpecial(cmd, k); err != nil {
			return err
		}

		if len(*objects) > 0 {
			return a.syncObjects(cmd, k, name, *objects, w.timeout)
		}

		request := func(token string) map[string]any {
			if *override {
				return overridePatch(token, *reason, special(*force, *reset)...)
			}
			return requestPatch(token, special(*force, *reset)...)
		}
		return a.reconcile(cmd.Context(), k, name, w, *withSource, request)
	}
	return cmd
}

// checkSpecial refuses flags that ask for more than the controller does for a kind.
func checkSpecial(cmd *cobra.Command, k kind) error {
	isRelease := k.name == v1beta1.HelmReleaseKind
	isApplied := isRelease || k.name == v1beta1.KustomizationKind
	asked := func(flag string) bool { return isSet(cmd, flag) }
	switch {
	case asked("reset") && !isRelease:
		return usagef(cmd, "--reset is for releases only; this is of kind %s", k.word)
	case asked("force") && !isApplied:
		return usagef(cmd, "--force is for releases and Kustomizations only; this is of kind %s", k.word)
	case asked("override-window") && !isApplied:
		return usagef(cmd, "--override-window is for releases and Kustomizations only; this is of kind %s", k.word)
	case asked("override-window") != asked("reason"):
		return usagef(cmd, "--override-window and --reason go together: say why the windows are overridden")
	default:
		return nil
	}
}

// isSet reports whether a flag has another value than the one that asks for nothing.
func isSet(cmd *cobra.Command, flag string) bool {
	value := cmd.Flags().Lookup(flag).Value.String()
	return value != "" && value != "false"
}

// requestOf returns the patch of a request with a token.
type requestOf func(token string) map[string]any

// special are the annotations of a request that asks for more than a look.
func special(force, reset bool) []string {
	var annotations []string
	if force {
		annotations = append(annotations, v1beta1.ForceRequestAnnotation)
	}
	if reset {
		annotations = append(annotations, v1beta1.ResetRequestAnnotation)
	}
	return annotations
}

func (a *app) reconcile(ctx context.Context, k kind, name string, w *waitFlags, withSource bool, request requestOf) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	object, err := a.reconcilable(ctx, c, k, key)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if withSource {
		if err := a.reconcileSources(ctx, c, k, object, w.timeout); err != nil {
			return err
		}
	}

	if !w.wait {
		if _, err := patch(ctx, c, k, key, request(a.token())); err != nil {
			return err
		}

		a.say("%s: reconciliation requested", k.describe(key))
		return nil
	}

	state, err := a.requestAndFollow(ctx, c, k, key, w.timeout, request)
	if err != nil {
		return err
	}

	return a.conclude(k, key, state, w.timeout)
}

// reconcilable reads the object and refuses one whose controller would ignore the request.
func (a *app) reconcilable(ctx context.Context, c *connection, k kind, key types.NamespacedName) (view.Object, error) {
	object, err := view.NewReader(c.client).Object(ctx, k.name, key)
	if err != nil {
		return nil, a.notFound(ctx, k, key, err)
	}
	if view.IsSuspended(object) {
		return nil, fmt.Errorf("%s is suspended, so nothing would be done; run %q first", k.describe(key),
			fmt.Sprintf("fairlead resume %s %s -n %s", k.word, key.Name, key.Namespace))
	}
	return object, nil
}

// reconcileSources brings what the object is made from up to date, the most distant source first. Continuing with an old
// artifact would look like success, so the first source that does not become Ready ends the command.
func (a *app) reconcileSources(ctx context.Context, c *connection, k kind, object view.Object, timeout time.Duration) error {
	refs := view.SourcesOf(object)
	if len(refs) == 0 {
		return fmt.Errorf("%s %s/%s has no source of its own; leave --with-source out", k.word, object.GetNamespace(), object.GetName())
	}

	for _, ref := range refs {
		if err := a.reconcileSource(ctx, c, k, object, ref, timeout); err != nil {
			return err
		}
	}

	return nil
}

// reconcileSource brings one source of the object up to date.
func (a *app) reconcileSource(
	ctx context.Context, c *connection, k kind, object view.Object, ref view.Reference, timeout time.Duration,
) error {
	source, known := kindByName(ref.Kind)
	if !known {
		return fmt.Errorf("%s %s/%s refers to a %s, which is not a kind of source", k.word, object.GetNamespace(), object.GetName(), ref.Kind)
	}

	key := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
	sourceObject, err := a.reconcilable(ctx, c, source, key)
	if err != nil {
		return err
	}

	if _, more := view.SourceOf(sourceObject); more {
		if err := a.reconcileSources(ctx, c, source, sourceObject, timeout); err != nil {
			return err
		}
	}

	state, err := a.requestAndFollow(ctx, c, source, key, timeout, func(token string) map[string]any {
		return requestPatch(token)
	})
	if err != nil {
		return err
	}

	if state.Done && state.Phase == view.Ready {
		a.note("%s is Ready: %s", source.describe(key), orNone(oneLine(state.Message)))
		return nil
	}

	a.note("%s was not reconciled, because its source is not ready", k.describe(types.NamespacedName{
		Namespace: object.GetNamespace(), Name: object.GetName()}))
	return a.conclude(source, key, state, timeout)
}

// requestAndFollow sets a new token and follows the object until it is handled and the object has settled.
func (a *app) requestAndFollow(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, timeout time.Duration, request requestOf,
) (view.Settlement, error) {
	f := a.follower(c, k, key, a.token(), timeout)
	return f.follow(ctx, func(ctx context.Context) (view.Object, error) {
		return patch(ctx, c, k, key, request(f.token))
	})
}

// token is a new value of the request annotation.
func (a *app) token() string { return a.now().UTC().Format(time.RFC3339Nano) }
