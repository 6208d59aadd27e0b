package kubeclient

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// writeClientSide brings one object to what is wanted as Helm does without server-side apply: it creates the object, or
// patches it by a comparison of the former manifest, the new one and the live object. original is the object in the
// revision before, nil when it was not there.
func (c *Client) writeClientSide(info, original *resource.Info) (created bool, err error) {
	entry, there := c.known(info)
	if there && entry.Deleting {
		if err := c.untilGone(info); err != nil {
			return false, err
		}
		there = false
	}

	if err := c.awaitDefinition(info); err != nil {
		return false, err
	}

	if there {
		live, err := c.live(info)
		switch {
		case err == nil:
			return false, c.merge(info, original, live)
		case !apierrors.IsNotFound(err):
			return false, fmt.Errorf("reading %s: %w", name(info), err)
		}
	}

	answer, err := c.postManifest(info, false)
	switch {
	case err == nil:
		return true, c.wroteClientSide(info, info.Object.(*unstructured.Unstructured), answer)
	case !apierrors.IsAlreadyExists(err):
		return false, fmt.Errorf("creating %s: %w", name(info), reworded(info, err))
	}

	live, err := c.mayTake(info)
	if err != nil {
		return false, err
	}

	return false, c.merge(info, original, live)
}

// awaitDefinition waits, for a while, until the API server serves the definition that the action brings for an object.
// Until then the API server would drop fields of the object that only the new definition has.
func (c *Client) awaitDefinition(info *resource.Info) error {
	if c.shapeOf(info) == nil {
		return nil
	}

	body, err := ssa.ApplyBody(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name(info), err)
	}

	_ = wait.PollUntilContextTimeout(c.ctx, served, establish, true, func(context.Context) (bool, error) {
		_, err := c.patch(info, body, true)           //nolint:contextcheck // requests have that of the client
		return err == nil || !c.stale(info, err), nil //nolint:contextcheck // as above
	})
	return nil // the write fails for the same reason
}

// postManifest creates an object of the release, or asks what would become of it. A repeated request may find what the
// first one made: the error is then that the object exists.
func (c *Client) postManifest(info *resource.Info, dryRun bool) (*unstructured.Unstructured, error) {
	body, err := ssa.ApplyBody(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return nil, err
	}

	requests, err := c.requests(info)
	if err != nil {
		return nil, err
	}

	var answer ssa.Answer
	err = c.persist(func(ctx context.Context) error {
		answer, err = requests.Create(ctx, body, dryRun)
		return err
	})
	return answer.Object, err
}

// merge patches an object that exists, after its managedFields were brought to the form of a client that does not
// apply.
func (c *Client) merge(info, original *resource.Info, live *unstructured.Unstructured) error {
	live, err := c.asUpdates(info, live)
	if err != nil {
		return err
	}

	patch, err := c.comparison(info, original, live)
	if err != nil {
		return err
	}

	answer := live
	if !patch.empty() {
		if answer, err = c.send(info, patch.kind, patch.body, false); err != nil {
			return fmt.Errorf("patching %s: %w", name(info), reworded(info, err))
		}
	}

	return c.wroteClientSide(info, info.Object.(*unstructured.Unstructured), answer)
}

// comparison is the patch that brings a live object from its former manifest to the new one. Without a former manifest
// nothing is removed. Replicas that an autoscaler sets are left as they are.
func (c *Client) comparison(info, original *resource.Info, live *unstructured.Unstructured) (mergePatch, error) {
	if original == nil {
		original = info
	}
	if c.autoscaled(info, drift.Autoscaled(live)) {
		info, original = withoutReplicas(info), withoutReplicas(original)
	}

	former, err := ssa.ApplyFields(original.Object.(*unstructured.Unstructured))
	if err != nil {
		return mergePatch{}, fmt.Errorf("encoding %s: %w", name(info), err)
	}

	wanted, err := ssa.ApplyFields(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return mergePatch{}, fmt.Errorf("encoding %s: %w", name(info), err)
	}

	patch, err := threeWay(info.Mapping.GroupVersionKind, former, wanted, live.Object)
	if err != nil {
		return mergePatch{}, fmt.Errorf("comparing %s with its former manifest: %w", name(info), err)
	}

	return patch, nil
}

// wroteClientSide tells the tracker and Helm what the API server made of a write.
func (c *Client) wroteClientSide(info *resource.Info, wanted, answer *unstructured.Unstructured) error {
	c.tracker.Wrote(kindOf(info.Mapping), answer, 0)
	c.mark(info, answer)
	lacks := drift.Dropped(answer, wanted.Object)
	if c.noteDropped(info, lacks); len(lacks) > 0 {
		c.markAs(info, "") // the next look for drift reports what it lacks
	}
	return info.Refresh(answer, true)
}

// mergeBack corrects an object of a client-side release by a patch that brings it from what it is to what it should be.
// Nothing is written when nothing differs.
func (i *inspection) mergeBack(live, should *unstructured.Unstructured) error {
	if len(i.found.Fields) == 0 {
		return nil
	}

	patch, err := threeWay(i.info.Mapping.GroupVersionKind, declared(live), declared(should), declared(live))
	if err != nil {
		return fmt.Errorf("comparing %s with its manifest: %w", name(i.info), err)
	}
	if _, err := i.asUpdates(i.info, live); err != nil || patch.empty() {
		return err
	}

	answer, err := i.send(i.info, patch.kind, patch.body, false)
	if err != nil {
		return fmt.Errorf("patching %s: %w", name(i.info), reworded(i.info, err))
	}

	return i.wroteClientSide(i.info, i.wants(), answer)
}

// declared is an object without what the API server and controllers keep of it.
func declared(object *unstructured.Unstructured) map[string]any {
	out := cloneMetadata(object.Object)
	delete(out, "status")
	if metadata, ok := out["metadata"].(map[string]any); ok {
		for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
			delete(metadata, field)
		}
	}
	return out
}

// asUpdates turns the fields of an object that Helm clients have applied into fields that they have updated. An entry
// of an apply would keep the fields that no patch changes, and a change of the others by another client would go
// unnoticed.
func (c *Client) asUpdates(info *resource.Info, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	now := live
	err := retry.RetryOnConflict(whileItMoves, func() error {
		patch, err := updatesPatch(now)
		if err != nil || patch == nil {
			return err
		}

		answer, err := c.send(info, types.JSONPatchType, patch, false)
		if err == nil {
			now = answer
			return nil
		}

		if apierrors.IsConflict(err) {
			var readErr error
			if now, readErr = c.live(info); readErr != nil {
				return readErr
			}
		}

		return err
	})
	if err != nil {
		return nil, fmt.Errorf("turning the applied fields of %s into updated ones: %w", name(info),
			reworded(info, err))
	}

	return now, nil
}
