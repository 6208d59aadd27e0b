package cluster

import (
	"context"
	"fmt"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"

	"fairlead.dev/fairlead/helmops/process/memory"
)

// snapshot is what an API server said of itself in one reading. It is never changed.
type snapshot struct {
	// memory counts what the snapshot takes, which is size.
	memory *memory.Account
	size   atomic.Int64

	number  uint64 // of the reading
	changes uint64 // that were known when the reading began
	readAt  time.Time

	groups      []*metav1.APIGroup
	resources   map[schema.GroupVersion]*metav1.APIResourceList
	failed      map[schema.GroupVersion]error // group versions whose API service did not answer
	mapper      meta.RESTMapper
	apiVersions chartutil.VersionSet

	version   chartutil.KubeVersion
	versionAt time.Time
}

// readAPIs fills in groups and resources; of a server with aggregated discovery these are two requests.
func (s *snapshot) readAPIs(ctx context.Context, client *discovery.DiscoveryClient) error {
	groups, resources, failed, err := client.GroupsAndMaybeResourcesWithContext(ctx)
	if err != nil {
		return fmt.Errorf("reading the APIs of the server: %w", err)
	}

	for i := range groups.Groups {
		s.groups = append(s.groups, &groups.Groups[i])
	}
	if err := s.keep(sizeOf(s.groups, resources)); err != nil {
		return err
	}

	s.resources = resources
	s.failed = failed
	if s.resources == nil {
		if err := s.readEach(ctx, client); err != nil {
			return err
		}
	}

	if len(s.groups) == 0 {
		return fmt.Errorf("reading the APIs of the server: it lists none")
	}

	s.mapper = newMapper(s.groups, s.resources)
	s.apiVersions = versionSet(s.groups, s.resources)
	return nil
}

// unanswered returns why a group version that the server knows is missing, nil when it is not.
func (s *snapshot) unanswered(group string, versions ...string) error {
	for gv, err := range s.failed {
		asked := len(versions) == 0 || slices.Contains(versions, gv.Version) || slices.Contains(versions, "")
		if gv.Group == group && asked {
			return fmt.Errorf("the API service of %s does not answer: %w", gv, err)
		}
	}
	return nil
}

// serves reports whether discovery lists a kind.
func (s *snapshot) serves(kind schema.GroupVersionKind) bool {
	list := s.resources[kind.GroupVersion()]
	return list != nil && slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool {
		return r.Kind == kind.Kind
	})
}

func newMapper(groups []*metav1.APIGroup, resources map[schema.GroupVersion]*metav1.APIResourceList) meta.RESTMapper {
	all := make([]*restmapper.APIGroupResources, 0, len(groups))
	for _, group := range groups {
		one := &restmapper.APIGroupResources{Group: *group, VersionedResources: map[string][]metav1.APIResource{}}
		for _, version := range group.Versions {
			if list := resources[schema.GroupVersion{Group: group.Name, Version: version.Version}]; list != nil {
				one.VersionedResources[version.Version] = list.APIResources
			}
		}

		all = append(all, one)
	}

	return restmapper.NewDiscoveryRESTMapper(all)
}

// versionSet lists what .Capabilities.APIVersions.Has answers yes to: "apps/v1" as well as "apps/v1/Deployment",
// sorted.
func versionSet(
	groups []*metav1.APIGroup, resources map[schema.GroupVersion]*metav1.APIResourceList,
) chartutil.VersionSet {
	var versions chartutil.VersionSet
	for _, group := range groups {
		for _, version := range group.Versions {
			versions = append(versions, version.GroupVersion)
		}
	}

	for _, list := range resources {
		for i := range list.APIResources {
			versions = append(versions, path.Join(list.GroupVersion, list.APIResources[i].Kind))
		}
	}

	slices.Sort(versions)
	return slices.Clip(slices.Compact(versions))
}
