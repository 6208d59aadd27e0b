package keep

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Objects reads objects that were kept.
type Objects struct {
	// Mapper knows under which resource a kind is served.
	Mapper meta.RESTMapper
	// Dynamic reads with the rights of the identity that kept the objects.
	Dynamic dynamic.Interface
}

// Still returns those of the objects that were kept before that are there and have no owner yet. One that cannot be
// read counts as there. It costs a request for each object.
func (o Objects) Still(ctx context.Context, before []v1beta1.KeptObject) []v1beta1.KeptObject {
	var out []v1beta1.KeptObject
	for _, object := range before {
		if !o.taken(ctx, object) {
			out = append(out, object)
		}
	}
	return out
}

// taken reports whether an object is gone, or has an owner.
func (o Objects) taken(ctx context.Context, object v1beta1.KeptObject) bool {
	mapping, err := o.Mapper.RESTMapping(schema.GroupKind{Group: object.Group, Kind: object.Kind})
	if err != nil {
		return meta.IsNoMatchError(err)
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resource := o.Dynamic.Resource(mapping.Resource)
	client := dynamic.ResourceInterface(resource)
	if object.Namespace != "" {
		client = resource.Namespace(object.Namespace)
	}

	live, err := client.Get(ctx, object.Name, metav1.GetOptions{})
	if err != nil {
		return apierrors.IsNotFound(err)
	}

	return Owned(live)
}
