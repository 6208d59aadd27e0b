package kubeclient

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// recreates reports whether the API server refused the write of an object because a field cannot be changed, and the
// object says that it is deleted and created again then. A rollback never deletes what may hold data.
func (c *Client) recreates(info *resource.Info, refusal error) bool {
	content, ok := info.Object.(*unstructured.Unstructured)
	return ok && refusal != nil && ssa.IsImmutable(refusal) && v1beta1.Forces(content) &&
		!c.options.Rollback.protects(info.Mapping.GroupVersionKind.GroupKind())
}

// recreate deletes an object of the release, waits until it is gone, and creates what is wanted.
func (c *Client) recreate(info, original *resource.Info) error {
	live, err := c.live(info)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading %s to recreate it: %w", name(info), err)
	}

	if err == nil {
		if err := c.mine(info, live); err != nil {
			return err
		}
		if err := c.removeForGood(info, live); err != nil {
			return err
		}
	}

	_, err = c.writeInPlace(info, original, false)
	return err
}

// removeForGood deletes an object as it was read, and waits until it is gone.
func (c *Client) removeForGood(info *resource.Info, live *unstructured.Unstructured) error {
	if err := c.discard(info, live.GetUID()); err != nil {
		return fmt.Errorf("deleting %s to recreate it: %w", name(info), err)
	}
	return c.untilGone(info)
}

// discard deletes an object with a UID. It may be gone.
func (c *Client) discard(info *resource.Info, uid types.UID) error {
	background := metav1.DeletePropagationBackground
	ctx, cancel := c.request()
	defer cancel()
	err := c.dynamic(info).Delete(ctx, info.Name, metav1.DeleteOptions{
		PropagationPolicy: &background, Preconditions: &metav1.Preconditions{UID: &uid},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}

	c.leave(info, followed)
	return nil
}
