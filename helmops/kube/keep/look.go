package keep

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

const (
	// page is how many objects one request lists.
	page = 100
	// patience bounds one look.
	patience = time.Minute
)

var claims = schema.GroupResource{Resource: "persistentvolumeclaims"}

// Look finds out what is in a definition or a namespace.
type Look struct {
	// Metadata lists with the rights of the identity that would delete the object.
	Metadata metadata.Interface
	// Resources are those that a namespace can hold.
	Resources func(ctx context.Context) ([]schema.GroupVersionResource, error)
	// Goes reports whether an object is deleted together with the one that is looked at. Nil is never.
	Goes func(resource schema.GroupResource, namespace, name string) bool
}

// At looks at a live object with a few lists of metadata; at most at its first page, because one object is enough
// to keep it.
func (l Look) At(ctx context.Context, live *unstructured.Unstructured) Found {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	switch live.GroupVersionKind().GroupKind() {
	case Definition:
		return l.definition(ctx, live)
	case Namespace:
		return l.namespace(ctx, live.GetName())
	default:
		return Found{}
	}
}

func (l Look) definition(ctx context.Context, live *unstructured.Unstructured) Found {
	var f Found
	resource, ok := ServedBy(live)
	if !ok {
		f.Unseen = []string{"none of its versions is served"}
		return f
	}

	err := l.list(ctx, resource, "", &f)
	if err != nil {
		f.Unseen = append(f.Unseen, unseen(resource, err))
	}

	return f
}

func (l Look) namespace(ctx context.Context, name string) Found {
	var f Found
	resources, err := l.Resources(ctx)
	if err != nil {
		f.Unseen = []string{"the kinds of the cluster"}
		return f
	}

	for _, resource := range resources {
		err := l.list(ctx, resource, name, &f)
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			continue // its definition has just been deleted, or it cannot be listed
		}
		if err != nil {
			f.Unseen = append(f.Unseen, unseen(resource, err))
		}
	}

	return f
}

// list adds the objects of a resource that would be deleted and that no other owner deletes.
func (l Look) list(ctx context.Context, resource schema.GroupVersionResource, in string, f *Found) error {
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := l.Metadata.Resource(resource).Namespace(in).List(ctx, options)
		if err != nil {
			return err
		}

		found := f.Count
		for i := range list.Items {
			l.add(&list.Items[i], resource.GroupResource(), in != "", f)
		}

		options.Continue = list.Continue
		if options.Continue == "" {
			return nil
		}

		if f.Count > found {
			if more := list.GetRemainingItemCount(); more != nil {
				f.Count += int(*more)
			}
			return nil
		}
	}
}

// add counts an object. Of a namespace, what follows from other objects does not count; of a definition, every
// object does.
func (l Look) add(o *metav1.PartialObjectMetadata, resource schema.GroupResource, inNamespace bool, f *Found) {
	if o.DeletionTimestamp != nil || inNamespace && made(o, resource) {
		return
	}
	if l.Goes != nil && l.Goes(resource, o.Namespace, o.Name) {
		return
	}

	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	if resource == claims {
		f.Claims = append(f.Claims, name)
	}

	f.Count++
	if len(f.Objects) <= maxNamed {
		f.Objects = append(f.Objects, resource.String()+" "+name)
	}
}

// made reports whether an object follows from another one, or is what Kubernetes itself puts into every namespace. A
// claim holds data whatever made it.
func made(o *metav1.PartialObjectMetadata, resource schema.GroupResource) bool {
	if len(o.OwnerReferences) > 0 && resource != claims {
		return true
	}
	switch resource.Resource {
	case "events", "leases", "endpoints", "endpointslices":
		return resource.Group == "" || resource.Group == "events.k8s.io" || resource.Group == "coordination.k8s.io" ||
			resource.Group == "discovery.k8s.io"
	case "serviceaccounts":
		return resource.Group == "" && o.Name == "default"
	case "configmaps":
		return resource.Group == "" && o.Name == "kube-root-ca.crt"
	default:
		return resource.Group == "metrics.k8s.io"
	}
}

func unseen(resource schema.GroupVersionResource, err error) string {
	name := resource.GroupResource().String()
	switch {
	case apierrors.IsForbidden(err):
		return name + " (the right to list them is missing)"
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err):
		return name + " (no answer in time)"
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return name + " (they are not served)"
	default:
		return name + " (the API server refused the list)"
	}
}

// ServedBy is a resource under which the objects of a definition can be listed.
func ServedBy(live *unstructured.Unstructured) (schema.GroupVersionResource, bool) {
	group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(live.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(live.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		if served, _ := version["served"].(bool); served {
			return schema.GroupVersionResource{Group: group, Version: name, Resource: plural}, true
		}
	}

	return schema.GroupVersionResource{}, false
}
