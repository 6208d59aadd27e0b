package apply

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
)

// applied applies an object. was is as in applyOver.
func (r *run) applied(
	ctx context.Context, i *item, body []byte,
) (answer, was *unstructured.Unstructured, err error) {
	if i.shape != nil {
		answer, err = r.patchServed(ctx, i, body)
		return answer, nil, err
	}
	answer, was, err = r.applyOver(ctx, i, body)
	return answer, was, refusedOrNil(i, err)
}

// applyOver applies an object. Where the API server refuses it because of fields that exclude what is applied, and
// that the Kustomization does not own, the Kustomization takes these over, so that a second apply removes them
// with all that it changes. was is the object before that, nil when it was not read.
func (r *run) applyOver(
	ctx context.Context, i *item, body []byte,
) (answer, was *unstructured.Unstructured, err error) {
	answer, refusal := r.patch(ctx, i, body, false)
	if !apierrors.IsInvalid(refusal) {
		return answer, nil, refusal
	}
	claimed := false
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, left, err := r.leftovers(ctx, i, body, refusal)
		if err != nil || left.Empty() {
			return err
		}
		was, claimed = live, true
		return r.claimLeftovers(ctx, i, live, left)
	})
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("taking over fields of %s that exclude what is applied: %w", i, err)
	case !claimed:
		return nil, nil, refusal
	}
	answer, err = r.patch(ctx, i, body, false)
	return answer, was, err
}

// try asks what would become of an object. One that is refused only because of fields that applyOver removes is
// taken as it is.
func (r *run) try(ctx context.Context, i *item) error {
	answer, refusal := r.patch(ctx, i, i.body, true)
	live, left, err := r.leftovers(ctx, i, i.body, refusal)
	switch {
	case err != nil:
		return err
	case !left.Empty():
		i.trial = live
		return nil
	default:
		i.trial = answer
		return refusal
	}
}

// leftovers reads an object that was refused. The fields that explain it are empty when something else is the
// reason.
func (r *run) leftovers(
	ctx context.Context, i *item, body []byte, cause error,
) (*unstructured.Unstructured, drift.Leftovers, error) {
	if !apierrors.IsInvalid(cause) {
		return nil, drift.Leftovers{}, nil
	}
	sent := &unstructured.Unstructured{}
	if err := sent.UnmarshalJSON(body); err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("encoding %s: %w", i, err)
	}
	live, err := r.get(ctx, i)
	if err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("reading %s: %w", i, err)
	}
	if live == nil {
		return nil, drift.Leftovers{}, nil
	}
	left := drift.LeftoversOf(live, sent.Object)
	if !left.Explain(cause) {
		return live, drift.Leftovers{}, nil
	}
	return live, left, nil
}

func (r *run) claimLeftovers(ctx context.Context, i *item, live *unstructured.Unstructured,
	left drift.Leftovers) error {
	patch, err := left.Patch(live, v1beta1.KustomizationFieldManager)
	if err != nil {
		return err
	}
	client, err := r.as.REST(i.kind.GVK.GroupVersion())
	if err != nil {
		return err
	}
	return client.Patch(types.JSONPatchType).NamespaceIfScoped(i.GetNamespace(), i.kind.Namespaced).
		Resource(i.kind.Resource).Name(i.GetName()).
		Param("fieldManager", v1beta1.KustomizationFieldManager).Body(patch).Do(ctx).Error()
}

// explained is an object as it would be where it is refused only because of fields that write removes; nil
// otherwise.
func explained(live *unstructured.Unstructured, body []byte, cause error) *unstructured.Unstructured {
	sent := &unstructured.Unstructured{}
	if live == nil || !apierrors.IsInvalid(cause) || sent.UnmarshalJSON(body) != nil {
		return nil
	}
	left := drift.LeftoversOf(live, sent.Object)
	if !left.Explain(cause) {
		return nil
	}
	return left.Without(live, sent.Object)
}
