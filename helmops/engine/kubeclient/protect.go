package kubeclient

import (
	"fmt"
	"maps"
	"slices"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiquantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var persistentVolumeClaim = schema.GroupKind{Kind: "PersistentVolumeClaim"}

// Rollback is what a return to an earlier revision does otherwise than an upgrade to a new one.
type Rollback struct {
	// Protect are kinds, as Kind or Kind.group, whose objects are not deleted, besides those that hold the data of users.
	Protect []string
}

// protects reports whether objects of a kind outlive a rollback. With a claim, a definition or a namespace goes what is
// in it, which no revision can bring back.
func (r *Rollback) protects(kind schema.GroupKind) bool {
	if r == nil {
		return false
	}
	switch kind {
	case persistentVolumeClaim, customResourceDefinition, schema.GroupKind{Kind: "Namespace"}:
		return true
	default:
		return slices.Contains(r.Protect, kind.Kind) || slices.Contains(r.Protect, kind.String())
	}
}

// storagePath is where a claim says how much room it wants.
var storagePath = []string{"spec", "resources", "requests", "storage"}

// keepSizes has a rollback ask for no less room than there is: a volume that has grown does not shrink.
func (c *Client) keepSizes(target kube.ResourceList) error {
	if c.options.Rollback == nil {
		return nil
	}

	for _, info := range target {
		content, ok := info.Object.(*unstructured.Unstructured)
		if !ok || info.Mapping.GroupVersionKind.GroupKind() != persistentVolumeClaim {
			continue
		}

		live, err := c.live(info)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the size of %s: %w", name(info), err)
		}
		if size, grown := larger(live, content); grown {
			info.Object = resized(content, size)
		}
	}

	return nil
}

// larger returns the room that a claim has when that is more than what is wanted.
func larger(live, wanted *unstructured.Unstructured) (string, bool) {
	has, _, _ := unstructured.NestedString(live.Object, storagePath...)
	wants, _, _ := unstructured.NestedString(wanted.Object, storagePath...)
	hasSize, err := apiquantity.ParseQuantity(has)
	if err != nil {
		return "", false
	}
	wantsSize, err := apiquantity.ParseQuantity(wants)
	return has, err == nil && hasSize.Cmp(wantsSize) > 0
}

// resized copies a claim, whose content other copies of it share, with another size.
func resized(claim *unstructured.Unstructured, size string) *unstructured.Unstructured {
	out := maps.Clone(claim.Object)
	fields := out
	last := len(storagePath) - 1
	for _, field := range storagePath[:last] {
		inner := maps.Clone(fields[field].(map[string]any)) // larger has been there
		fields[field] = inner
		fields = inner
	}

	fields[storagePath[last]] = size
	return &unstructured.Unstructured{Object: out}
}
