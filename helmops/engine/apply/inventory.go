package apply

import (
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// References lists the objects of a manifest, sorted.
func (c *Client) References(manifest string) ([]v1beta1.ResourceRef, error) {
	objects, err := c.Build(strings.NewReader(manifest), false)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest of the release: %w", err)
	}
	refs := make([]v1beta1.ResourceRef, len(objects))
	for i, info := range objects {
		kind := info.Mapping.GroupVersionKind
		refs[i] = v1beta1.ResourceRef{
			ID: strings.Join([]string{info.Namespace, info.Name, kind.Group, kind.Kind}, "_"), Version: kind.Version,
		}
	}
	slices.SortFunc(refs, func(a, b v1beta1.ResourceRef) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(refs), nil
}
