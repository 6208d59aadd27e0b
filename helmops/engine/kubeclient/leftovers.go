package kubeclient

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/helmops/kube/drift"
)

// applyOver applies an object that exists. Where the API server refuses it because of a field that excludes what
// is applied, and that the release does not own, the release takes the field over, so that a second apply removes
// it with all that it changes.
func (c *Client) applyOver(info *resource.Info, body []byte) (*unstructured.Unstructured, error) {
	answer, err := c.apply(info, body)
	if !apierrors.IsInvalid(err) {
		return answer, err
	}
	if err := c.claimOr(info, body, err); err != nil {
		return nil, err
	}
	return c.apply(info, body)
}

// claimOr makes the release the owner of the fields because of which an object was refused. It returns the refusal
// when there are none, and what went wrong otherwise.
func (c *Client) claimOr(info *resource.Info, body []byte, cause error) error {
	claimed, err := c.claimLeftovers(info, body, cause)
	if err == nil && !claimed {
		return cause
	}
	return err
}

// claimLeftovers makes the release the owner of the fields because of which an object was refused, and tells
// whether there are any.
func (c *Client) claimLeftovers(info *resource.Info, body []byte, cause error) (claimed bool, err error) {
	err = retry.RetryOnConflict(whileItMoves, func() error {
		live, left, err := c.leftovers(info, body, cause)
		if err != nil || left.Empty() {
			return err
		}
		patch, err := left.Patch(live, FieldManager)
		if err != nil {
			return err
		}
		ctx, cancel := c.request()
		defer cancel()
		client, err := c.identity.REST(info.Mapping.GroupVersionKind.GroupVersion())
		if err != nil {
			return err
		}
		err = client.Patch(types.JSONPatchType).
			NamespaceIfScoped(info.Namespace, info.Namespaced()).Resource(info.Mapping.Resource.Resource).Name(info.Name).
			Param("fieldManager", FieldManager).Body(patch).Do(ctx).Error()
		claimed = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("taking over fields of %s that exclude what is applied: %w", name(info),
			reworded(info, err))
	}
	return claimed, nil
}

// leftovers reads an object that was refused. The fields that explain it are empty when something else is the
// reason.
func (c *Client) leftovers(
	info *resource.Info, body []byte, cause error,
) (*unstructured.Unstructured, drift.Leftovers, error) {
	if !apierrors.IsInvalid(cause) {
		return nil, drift.Leftovers{}, nil
	}
	sent := &unstructured.Unstructured{}
	if err := sent.UnmarshalJSON(body); err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("encoding %s: %w", name(info), err)
	}
	live, err := c.live(info)
	if apierrors.IsNotFound(err) {
		return nil, drift.Leftovers{}, nil
	}
	if err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("reading %s: %w", name(info), err)
	}
	left := drift.LeftoversOf(live, sent.Object)
	if !left.Explain(cause) {
		return live, drift.Leftovers{}, nil
	}
	return live, left, nil
}

// excluded reports whether an object is refused only because of fields that applyOver would remove.
func (c *Client) excluded(info *resource.Info, body []byte, cause error) (bool, error) {
	_, left, err := c.leftovers(info, body, cause)
	return !left.Empty(), err
}
