package kubeclient

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// outcome is what a client knows at the end of its action. Its zero value knows nothing.
type outcome struct {
	// marks are the ownership digests of the objects that were written or looked at, by their ID. The client's lock guards
	// it.
	marks map[string]string
	// scaled are the objects whose replicas an autoscaler of the manifest sets, unscaled those that one of the revision
	// before did.
	scaled, unscaled map[scaled]bool
}

// mark notes the ownership of an object as it is now; nil when there is none.
func (c *Client) mark(info *resource.Info, now *unstructured.Unstructured) {
	digest := drift.Absent
	if now != nil {
		digest = ownershipText(tracker.Reduce(now).Ownership)
	}
	c.markAs(info, digest)
}

func (c *Client) markAs(info *resource.Info, digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marks == nil {
		c.marks = map[string]string{}
	}
	c.marks[id(info)] = digest
}

func ownershipText(digest uint64) string { return fmt.Sprintf("%016x", digest) }

// id names an object in an inventory.
func id(info *resource.Info) string {
	kind := info.Mapping.GroupVersionKind
	return strings.Join([]string{info.Namespace, info.Name, kind.Group, kind.Kind}, "_")
}

// References lists the objects of a manifest, sorted. Those that the client has written, or looked at for drift, are
// listed with their ownership.
func (c *Client) References(manifest string) ([]v1beta1.ResourceRef, error) {
	objects, err := c.Build(strings.NewReader(manifest), false)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of the release: %w", err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	refs := make([]v1beta1.ResourceRef, len(objects))
	for i, info := range objects {
		refs[i] = v1beta1.ResourceRef{
			ID: id(info), Version: info.Mapping.GroupVersionKind.Version, Ownership: c.marks[id(info)],
		}
	}

	slices.SortFunc(refs, func(a, b v1beta1.ResourceRef) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(refs), nil
}
