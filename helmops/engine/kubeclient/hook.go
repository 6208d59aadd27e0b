package kubeclient

import (
	"cmp"
	"fmt"

	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// postUnowned creates an object that Helm does not mark as part of the release.
func (c *Client) postUnowned(info *resource.Info) error {
	if isHook(info) {
		return c.postHook(info)
	}
	return c.post(info)
}

// postHook creates the object of a hook, with a mark of its release. One that an earlier attempt of the release
// left under the same name is replaced, whatever its delete policy says; the object of another owner is not
// touched.
func (c *Client) postHook(info *resource.Info) error {
	content := info.Object.(*unstructured.Unstructured) // isHook has looked
	annotations := content.GetAnnotations()             // a copy
	annotations[v1beta1.HookOfAnnotation] = c.hookMark()
	content.SetAnnotations(annotations)
	err := c.post(info)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}

	live, err := c.live(info)
	switch {
	case apierrors.IsNotFound(err):
		return c.post(info)
	case err != nil:
		return fmt.Errorf("reading %s, which exists before its hook runs: %w", name(info), err)
	case live.GetAnnotations()[v1beta1.HookOfAnnotation] != c.hookMark():
		return fmt.Errorf("%s is %s, so the hook of this release cannot be created; remove or rename one of the two",
			name(info), whose(live))
	case holdsData(info):
		return c.applyHook(info)
	}

	return c.replaceHook(info, live.GetUID())
}

// isHook reports whether an object is a hook of a chart.
func isHook(info *resource.Info) bool {
	content, ok := info.Object.(*unstructured.Unstructured)
	if !ok {
		return false
	}
	_, hook := content.GetAnnotations()[release.HookAnnotation]
	return hook
}

// whose says who has an object that is in the way of a hook.
func whose(live *unstructured.Unstructured) string {
	annotations := live.GetAnnotations()
	switch has, hook := ownerOf(live), annotations[v1beta1.HookOfAnnotation]; {
	case hook != "":
		return "a hook of the Helm release " + hook
	case has != (owner{}):
		return fmt.Sprintf("part of the Helm release %s/%s", has.namespace, has.name)
	case annotations[release.HookAnnotation] != "":
		return "a hook that does not say which Helm release made it"
	default:
		return "there already and belongs to no Helm release"
	}
}

// holdsData reports whether a hook holds data, so that it is never deleted and created again.
func holdsData(info *resource.Info) bool {
	return (&Rollback{}).protects(info.Mapping.GroupVersionKind.GroupKind())
}

// applyHook brings an object that exists to what its hook says.
func (c *Client) applyHook(info *resource.Info) error {
	body, err := ssa.ApplyBody(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name(info), err)
	}
	answer, err := c.apply(info, body)
	if err != nil {
		return fmt.Errorf("applying %s: %w", name(info), reworded(info, err))
	}
	return info.Refresh(answer, true)
}

// replaceHook deletes an object of the release once its run has ended, and creates what the hook says.
func (c *Client) replaceHook(info *resource.Info, uid types.UID) error {
	if err := c.waitReleased(func() error { return c.untilEnded(info, uid) }); err != nil {
		return err
	}

	if err := c.discard(info, uid); err != nil {
		return fmt.Errorf("deleting %s, which an earlier attempt left: %w", name(info), err)
	}
	if err := c.untilGone(info); err != nil {
		return err
	}

	return c.post(info)
}

// untilEnded waits until a Job or Pod of an earlier attempt has ended; it may still run when its attempt had no
// more time. Other kinds have no run.
func (c *Client) untilEnded(info *resource.Info, uid types.UID) error {
	kind := info.Mapping.GroupVersionKind.Kind
	if kind != "Job" && kind != "Pod" {
		return nil
	}

	timeout := cmp.Or(c.options.Timeout, goneTimeout)
	ctx, cancel := c.uncancelled(timeout)
	defer cancel()
	err := tracker.Follow(ctx, c.dynamic(info), info.Name, func(live *unstructured.Unstructured) (bool, error) {
		gone := live == nil || live.GetUID() != uid || live.GetDeletionTimestamp() != nil
		return gone || completed(live).State != health.InProgress, nil
	})
	if isCancelled(ctx) {
		return c.endCancelled(name(info) + " of an earlier attempt had not ended")
	}
	if ctx.Err() != nil {
		c.stopWithProcess()
		return fmt.Errorf("%s of an earlier attempt still runs after %s; it is replaced once it has ended",
			name(info), timeout)
	}
	if err != nil {
		return fmt.Errorf("waiting for the end of %s of an earlier attempt: %w", name(info), err)
	}

	return nil
}

// hookMark is how hooks of the release are marked.
func (c *Client) hookMark() string {
	return v1beta1.HookOf(c.options.StorageNamespace, c.options.Release)
}
