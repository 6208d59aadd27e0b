package crds

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// await returns once every definition is established and discovery lists its kinds. What was there already and served
// is not asked for again.
func (a *applier) await(ctx context.Context, on *cluster.Cluster, all []*definition) error {
	written := len(a.result.Created) > 0 || len(a.result.Replaced) > 0
	var kinds []schema.GroupVersionKind
	for _, d := range all {
		if err := a.established(ctx, d); err != nil {
			return err
		}
		kinds = append(kinds, d.kinds()...)
	}

	if written {
		on.Invalidate()
	}

	return on.AwaitKinds(ctx, kinds...)
}

// established watches one definition until the API server has accepted it.
func (a *applier) established(ctx context.Context, d *definition) error {
	if accepted, err := established(d.live); accepted || err != nil {
		return err
	}

	only := fields.OneTermEqualSelector("metadata.name", d.name()).String()
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.FieldSelector = only
			return a.client.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.FieldSelector = only
			return a.client.Watch(ctx, options)
		},
	}
	_, err := watchtools.UntilWithSync(ctx, cache.ToListWatcherWithWatchListSemantics(source, a.client),
		&unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
			live, ok := event.Object.(*unstructured.Unstructured)
			switch {
			case !ok:
				return false, nil
			case event.Type == watch.Deleted:
				return false, fmt.Errorf("CustomResourceDefinition %s was deleted by another client", d.name())
			}

			d.live = live
			return established(live)
		})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("waiting for CustomResourceDefinition %s to be established: %w", d.name(), context.Cause(ctx))
	}

	return err
}

// established reports whether a definition is in use. Names that another definition has are an error: waiting does not help.
func established(live *unstructured.Unstructured) (bool, error) {
	if live.GetDeletionTimestamp() != nil {
		return false, fmt.Errorf("CustomResourceDefinition %s is being deleted; the next attempt creates it again",
			live.GetName())
	}

	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	established := false
	accepted := false
	for _, entry := range conditions {
		condition, _ := entry.(map[string]any)
		isTrue := condition["status"] == "True"
		switch condition["type"] {
		case "Established":
			established = isTrue
		case "NamesAccepted":
			accepted = isTrue
			if condition["status"] == "False" {
				return false, fmt.Errorf("CustomResourceDefinition %s: its names are not accepted: %v", live.GetName(),
					condition["message"])
			}
		}
	}

	return established && accepted, nil
}
