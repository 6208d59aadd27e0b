package kubeclient

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// complete gives an object that Helm's own client has written what it lacks of the manifest: a merge by key drops
// items of a list that share a key. It returns the object as it is then, and what it lacks of the manifest still.
func (c *Client) complete(
	info *resource.Info, wanted runtime.Object, live *unstructured.Unstructured,
) (now *unstructured.Unstructured, lacks []drift.Field, err error) {
	content, ok := wanted.(*unstructured.Unstructured)
	if !ok {
		return live, nil, nil
	}

	wants, err := ssa.ApplyFields(content)
	if err != nil {
		return nil, nil, err
	}

	err = retry.RetryOnConflict(whileItMoves, func() error {
		patch := drift.Repair(live, wants)
		if patch == nil {
			return nil
		}

		answer, err := c.repair(info, patch, false)
		if err == nil {
			live = answer
			return nil
		}

		if apierrors.IsConflict(err) {
			if live, err = c.live(info); err == nil {
				return apierrors.NewConflict(info.Mapping.Resource.GroupResource(), info.Name, errMoved)
			}
		}

		return err
	})
	if err != nil {
		return nil, nil, err
	}

	return live, drift.Subset(live, wants, nil), nil
}

// repair patches an object, or asks what would become of it.
func (c *Client) repair(info *resource.Info, patch []byte, dryRun bool) (*unstructured.Unstructured, error) {
	requests, err := c.requests(info)
	if err != nil {
		return nil, err
	}

	var answer ssa.Answer
	err = c.persist(func(ctx context.Context) error {
		answer, err = requests.Patch(ctx, types.JSONPatchType, patch, dryRun)
		return err
	})
	return answer.Object, err
}

// hold tries to give an object that cannot be applied what it lacks. What the API server does not keep is no
// difference that could be corrected: the note says so, and the object is not written again and again.
func (i *inspection) hold(live, sent *unstructured.Unstructured) error {
	would, err := i.repair(i.info, drift.Repair(live, sent.Object), true)
	switch {
	case err == nil:
	case apierrors.IsConflict(err):
		return fmt.Errorf("comparing %s: %w", name(i.info), errMoved)
	case ssa.IsDryRunUnsupported(err):
		return nil
	default:
		return fmt.Errorf("comparing %s: %w", name(i.info), reworded(i.info, err))
	}

	differs := drift.Subset(live, sent.Object, i.Mask)
	held, unheld := drift.Unheld(differs, would, sent.Object)
	if i.found.Fields = held; len(unheld) > 0 {
		i.found.Note = drift.UnheldNote(unheld)
		i.markAs(i.info, "") // it is not as the manifest says
	}

	return nil
}
