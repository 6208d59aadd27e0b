package refs

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// Connection reaches the objects of a cluster as an identity.
type Connection struct {
	Client dynamic.Interface
	Mapper meta.RESTMapper
	// Memory is the account of what is kept of the cluster; nil when it is trusted.
	Memory *memory.Account
}

// Connect returns the connection to a cluster as an identity. It may wait for the cluster.
type Connect func(ctx context.Context, access cluster.Access) (Connection, error)

// Connected follows objects over connections.
type Connected struct {
	Connect Connect
	// Watch follows one object of a resource, as Objects.Follow does.
	Watch func(ctx context.Context, resource dynamic.ResourceInterface, name string,
		see func(*unstructured.Unstructured) (bool, error)) error
}

// Follow implements Objects. The object that was last passed to see counts in the memory account of the cluster,
// because the caller keeps it. Follow returns a *memory.ExceededError when the account exceeds its bounds.
func (c Connected) Follow(ctx context.Context, access cluster.Access, kind schema.GroupVersionKind,
	key types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error)) error {
	to, err := c.Connect(ctx, access)
	if err != nil {
		return err
	}

	mapping, err := to.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}

	var resource dynamic.ResourceInterface = to.Client.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = to.Client.Resource(mapping.Resource).Namespace(key.Namespace)
	}

	var kept int64
	defer func() { _ = to.Memory.Add(-kept) }() // it gives back
	return c.Watch(ctx, resource, key.Name, func(object *unstructured.Unstructured) (bool, error) {
		var size int64
		if object != nil {
			size = memory.SizeOf(object.Object)
		}

		more := size - kept
		kept = size
		if err := to.Memory.Add(more); err != nil {
			return true, err
		}

		return see(object)
	})
}
