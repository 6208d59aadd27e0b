package release

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"fairlead.dev/fairlead/helmops/cluster"
)

// Connect returns the client and the mapper of a cluster and identity. It may wait for the cluster.
type Connect func(ctx context.Context, access cluster.Access) (dynamic.Interface, meta.RESTMapper, error)

// connected follows objects over connections.
type connected struct {
	connect Connect
	// follow watches one object of a resource, as Objects.Follow does.
	follow func(ctx context.Context, resource dynamic.ResourceInterface, name string, see func(*unstructured.Unstructured) (bool, error)) error
}

// Follow implements Objects.
func (c connected) Follow(ctx context.Context, access cluster.Access, kind schema.GroupVersionKind, key types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error)) error {
	client, mapper, err := c.connect(ctx, access)
	if err != nil {
		return err
	}
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = client.Resource(mapping.Resource).Namespace(key.Namespace)
	}
	return c.follow(ctx, resource, key.Name, see)
}

// followOne lists an object by its name and watches it from there.
func followOne(ctx context.Context, resource dynamic.ResourceInterface, name string, see func(*unstructured.Unstructured) (bool, error)) error {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	list, err := resource.List(ctx, metav1.ListOptions{FieldSelector: selector})
	if err != nil {
		return fmt.Errorf("reading it: %w", err)
	}
	var first *unstructured.Unstructured
	if len(list.Items) > 0 {
		first = &list.Items[0]
	}
	if done, err := see(first); done || err != nil {
		return err
	}
	source := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		o.FieldSelector = selector
		return resource.Watch(ctx, o)
	}}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), source)
	if err != nil {
		return fmt.Errorf("watching it: %w", err)
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		var now *unstructured.Unstructured
		switch event.Type {
		case watch.Added, watch.Modified:
			now, _ = event.Object.(*unstructured.Unstructured)
		case watch.Deleted:
		case watch.Error:
			return fmt.Errorf("watching it: %w", apierrors.FromObject(event.Object))
		default:
			continue
		}
		if done, err := see(now); done || err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New("the watch was closed")
}
