package referent

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/cluster"
)

// Connect returns the client and the mapper of a cluster and identity. It may wait for the cluster.
type Connect func(ctx context.Context, access cluster.Access) (dynamic.Interface, meta.RESTMapper, error)

// Connected follows objects over connections.
type Connected struct {
	Connect Connect
	// Watch follows one object of a resource, as Objects.Follow does.
	Watch func(ctx context.Context, resource dynamic.ResourceInterface, name string, see func(*unstructured.Unstructured) (bool, error)) error
}

// Follow implements Objects.
func (c Connected) Follow(ctx context.Context, access cluster.Access, kind schema.GroupVersionKind, key types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error)) error {
	client, mapper, err := c.Connect(ctx, access)
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
	return c.Watch(ctx, resource, key.Name, see)
}
