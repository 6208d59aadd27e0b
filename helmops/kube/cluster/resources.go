package cluster

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// NamespacedResources returns what can be listed and deleted in a namespace, each group in the version it prefers. API
// services that do not answer are left out. It costs no request while nothing has changed.
func (c *Cluster) NamespacedResources(ctx context.Context) ([]schema.GroupVersionResource, error) {
	found, err := c.discovery.get(ctx, 0)
	if err != nil {
		return nil, err
	}

	var out []schema.GroupVersionResource
	for _, group := range found.groups {
		version := schema.GroupVersion{Group: group.Name, Version: group.PreferredVersion.Version}
		list := found.resources[version]
		if list == nil {
			continue
		}

		for _, resource := range list.APIResources {
			if resource.Namespaced && !strings.Contains(resource.Name, "/") && slices.Contains(resource.Verbs, "list") &&
				slices.Contains(resource.Verbs, "delete") {
				out = append(out, version.WithResource(resource.Name))
			}
		}
	}

	return out, nil
}
