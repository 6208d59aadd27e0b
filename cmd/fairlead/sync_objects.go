package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// alone are the flags of reconcile that --object excludes.
var alone = []string{"with-source", "force", "reset", "override-window", "wait"}

// syncObjects asks the controller to bring some objects of a release back to what its revision says, and waits for that.
func (a *app) syncObjects(cmd *cobra.Command, k kind, name string, objects []string, timeout time.Duration) error {
	if k.name != v1beta1.HelmReleaseKind {
		return usagef(cmd, "--object is for releases only; this is of kind %s", k.word)
	}
	if len(objects) > v1beta1.MaxSyncedObjects {
		return usagef(cmd, "--object is given %d times, at most %d are possible", len(objects), v1beta1.MaxSyncedObjects)
	}
	for _, flag := range alone {
		if isSet(cmd, flag) {
			return usagef(cmd, "--object and --%s exclude each other", flag)
		}
	}

	c, err := a.open()
	if err != nil {
		return err
	}

	ctx := cmd.Context()
	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	object, err := a.reconcilable(ctx, c, k, key)
	if err != nil {
		return err
	}

	hr, _ := object.(*v1beta1.HelmRelease)
	ids, err := view.SelectObjects(hr, objects)
	if err != nil {
		return err
	}

	token := a.token()
	if _, err := patch(ctx, c, k, key, syncObjectsPatch(token, ids)); err != nil {
		return err
	}

	what := strings.Join(objects, ", ")
	return a.awaitObjectSync(ctx, c, objectSyncRequest{kind: k, key: key, token: token, what: what, timeout: timeout})
}

// objectSyncRequest is a request to sync objects that the controller has not answered yet.
type objectSyncRequest struct {
	kind  kind
	key   types.NamespacedName
	token string
	// what names the objects as the user did.
	what    string
	timeout time.Duration
}

// awaitObjectSync waits until the controller has answered a request to sync objects, and says how it ended.
func (a *app) awaitObjectSync(ctx context.Context, c *connection, r objectSyncRequest) error {
	hr := &v1beta1.HelmRelease{}
	err := wait.PollUntilContextTimeout(ctx, cancelPoll, r.timeout, true, func(ctx context.Context) (bool, error) {
		object, err := view.NewReader(c.client).Object(ctx, r.kind.name, r.key)
		if err != nil {
			return false, err
		}

		hr, _ = object.(*v1beta1.HelmRelease)
		return hr.Status.LastHandledSyncObjectsAt == r.token, nil
	})
	release := r.kind.describe(r.key)
	switch {
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		a.say("%s: the controller did not answer within %s; it syncs the objects when it sees the request", release,
			r.timeout)
		return errNotReady
	case err != nil:
		return err
	}

	sync := hr.Status.LastObjectSync
	switch {
	case sync == nil || sync.RequestedAt != r.token:
		a.say("%s: nothing was synced, because something else has to be done with the release first: %s", release,
			orNone(oneLine(view.Settle(hr, "", 0).Message)))
		return errNotReady
	case sync.Failure != "":
		a.say("%s: the sync of %s to revision %d failed: %s", release, r.what, sync.Revision, oneLine(sync.Failure))
		return errNotReady
	}

	a.say("%s: synced to revision %d: %s", release, sync.Revision, r.what)
	return nil
}

// syncObjectsPatch is requestPatch for a request to sync some objects, by their IDs.
func syncObjectsPatch(token string, ids []string) map[string]any {
	change := requestPatch(token, v1beta1.SyncObjectsRequestAnnotation)
	metadata := change["metadata"].(map[string]any)
	metadata["annotations"].(map[string]any)[v1beta1.SyncObjectsAnnotation] = strings.Join(ids, ",")
	return change
}
