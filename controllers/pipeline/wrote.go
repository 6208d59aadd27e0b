package pipeline

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
)

// wrote are the sources of stages that this process wrote, until the cache has them. So a Reconcile that follows the
// write sooner than its event does not write them again.
type wrote struct {
	repositories outlets[*v1beta1.OCIRepository]
	charts       outlets[*v1beta1.HelmChart]
}

// outlets are those of one kind.
type outlets[T client.Object] struct{ loop.Written[T] }

// read returns a copy of the source of a stage, as the cache has it or as it was written last. It asks the API server
// about one that was written and that the cache does not have: it is too new for the cache, or deleted.
func (o *outlets[T]) read(
	ctx context.Context, cached, live client.Reader, key types.NamespacedName, empty T,
) (T, error) {
	err := cached.Get(ctx, key, empty, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) && o.Knows(key) {
		if err = live.Get(ctx, key, empty); apierrors.IsNotFound(err) {
			o.Forget(key)
		}
		return empty, err
	}
	if err != nil {
		return empty, err
	}

	return o.Newer(key, empty), nil
}
