package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"

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

	was, err = r.writer(ctx, i).ClaimLeftovers(retry.DefaultBackoff, body, refusal)
	switch {
	case err != nil:
		return nil, nil, err
	case was == nil:
		return nil, nil, refusal
	}

	answer, err = r.patch(ctx, i, body, false)
	return answer, was, err
}

// try asks what would become of an object. One that is refused only because of fields that applyOver removes is
// taken as it is.
func (r *run) try(ctx context.Context, i *item) error {
	answer, refusal := r.patch(ctx, i, i.body, true)
	live, left, err := r.writer(ctx, i).Leftovers(i.body, refusal)
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
