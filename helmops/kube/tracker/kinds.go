package tracker

import "k8s.io/apimachinery/pkg/runtime/schema"

// Kind is one API kind as it is watched.
type Kind struct {
	GVK schema.GroupVersionKind
	// Resource is the plural under which the API server serves it.
	Resource   string
	Namespaced bool
}

// Ref names one object. Namespace is empty for kinds that have none.
type Ref struct {
	GVK             schema.GroupVersionKind
	Namespace, Name string
}

func (k Kind) gvr() schema.GroupVersionResource { return k.GVK.GroupVersion().WithResource(k.Resource) }

func (k Kind) String() string { return k.gvr().GroupResource().String() }
