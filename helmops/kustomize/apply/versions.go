package apply

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/warning"
)

// requests are those about one object, as the field manager of Kustomizations.
func (r *run) requests(i *item) (ssa.Requests, error) {
	client, err := r.as.REST(i.kind.GVK.GroupVersion())
	if err != nil {
		return ssa.Requests{}, err
	}
	return ssa.Requests{
		Client: client, Resource: i.kind.Resource,
		Namespaced: i.kind.Namespaced, Namespace: i.GetNamespace(), Name: i.GetName(),
		Manager: v1beta1.KustomizationFieldManager,
	}, nil
}

// writer applies one object. Its errors are reworded by refused.
func (r *run) writer(ctx context.Context, i *item) ssa.Writer {
	return ssa.Writer{
		Name: i.String(), Version: i.GroupVersionKind().Version, Manager: v1beta1.KustomizationFieldManager,
		Send: func(kind types.PatchType, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
			return r.send(ctx, i, kind, body, dryRun)
		},
		Live: func() (*unstructured.Unstructured, error) { return r.read(ctx, i) },
		Claim: func(patch []byte) error {
			requests, err := r.requests(i)
			if err != nil {
				return err
			}

			return requests.Claim(ctx, patch)
		},
	}
}

// patch applies an object, or asks what would become of it.
func (r *run) patch(ctx context.Context, i *item, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	return r.writer(ctx, i).Apply(body, dryRun)
}

// send sends a patch. The API server refuses fields that the kind does not have.
func (r *run) send(
	ctx context.Context, i *item, kind types.PatchType, body []byte, dryRun bool,
) (*unstructured.Unstructured, error) {
	requests, err := r.requests(i)
	if err != nil {
		return nil, err
	}

	requests.Strict = true
	answer, err := requests.Patch(ctx, kind, body, dryRun)
	if err != nil {
		return nil, err
	}

	if !dryRun {
		i.sent = answer.Object
		i.warnings = warning.Texts(answer.Warnings, i.isSecret())
	}

	return answer.Object, nil
}

// read reads an object. When there is none, the error is that of the API server.
func (r *run) read(ctx context.Context, i *item) (*unstructured.Unstructured, error) {
	requests, err := r.requests(i)
	if err != nil {
		return nil, err
	}
	return requests.Get(ctx)
}

// get reads an object, nil when it does not exist.
func (r *run) get(ctx context.Context, i *item) (*unstructured.Unstructured, error) {
	live, err := r.read(ctx, i)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	return live, err
}
