package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"fairlead.dev/fairlead/helmops/process/guard"
)

// readersOfVersions is how many group versions are read at the same time, and triesOfVersions how often.
const (
	readersOfVersions = 8
	triesOfVersions   = 2
)

// readEach is for servers that do not aggregate discovery. It keeps no more of them than the memory allows: each group
// version is an answer of its own.
func (s *snapshot) readEach(ctx context.Context, client *discovery.DiscoveryClient) error {
	s.resources = map[schema.GroupVersion]*metav1.APIResourceList{}
	var versions []schema.GroupVersion
	for _, group := range s.groups {
		for _, version := range group.Versions {
			gv, err := schema.ParseGroupVersion(version.GroupVersion)
			if err != nil {
				return fmt.Errorf("reading the APIs of the server: %w", err)
			}

			versions = append(versions, gv)
		}
	}

	for range triesOfVersions {
		s.failed = map[schema.GroupVersion]error{}
		if err := s.readVersions(ctx, client, versions); err != nil {
			return err
		}

		versions = slices.Collect(maps.Keys(s.failed))
	}

	return nil
}

// readVersions reads the resources of group versions. Those that fail are noted.
func (s *snapshot) readVersions(
	ctx context.Context, client *discovery.DiscoveryClient, versions []schema.GroupVersion,
) error {
	queue := make(chan schema.GroupVersion, len(versions))
	for _, version := range versions {
		queue <- version
	}

	close(queue)
	var all sync.WaitGroup
	var mu sync.Mutex
	for range min(readersOfVersions, len(versions)) {
		all.Add(1)
		guard.Go("reading the APIs of a cluster", func() {
			defer all.Done()
			for version := range queue {
				list, err := client.ServerResourcesForGroupVersionWithContext(ctx, version.String())
				if s.keep(sizeOfVersion(version, list, err)) != nil {
					return // the error is that of all
				}

				mu.Lock()
				if list != nil {
					s.resources[version] = list
				}
				if err != nil {
					s.failed[version] = err
				}

				mu.Unlock()
			}
		})
	}

	all.Wait()
	return s.memory.Err()
}

// keep counts what the snapshot takes.
func (s *snapshot) keep(bytes int64) error {
	s.size.Add(bytes)
	return s.memory.Add(bytes)
}

// What a group, and a resource, takes at least, with its places in the mapper and among the capabilities.
const (
	groupCost    = 512
	resourceCost = 1 << 10
)

// sizeOf estimates what groups and resources take.
func sizeOf(groups []*metav1.APIGroup, resources map[schema.GroupVersion]*metav1.APIResourceList) int64 {
	bytes := 0
	for _, group := range groups {
		bytes += groupCost + len(group.Name)
		for _, version := range group.Versions {
			bytes += groupCost + 2*len(version.GroupVersion) + len(version.Version)
		}
	}

	size := int64(bytes)
	for version, list := range resources {
		size += sizeOfVersion(version, list, nil)
	}

	return size
}

// sizeOfVersion estimates what the resources of a group version take, or why they could not be read.
func sizeOfVersion(version schema.GroupVersion, list *metav1.APIResourceList, err error) int64 {
	bytes := groupCost + len(version.Group) + len(version.Version)
	if err != nil {
		bytes += len(err.Error())
	}

	if list != nil {
		for i := range list.APIResources {
			bytes += sizeOfResource(&list.APIResources[i])
		}
	}

	return int64(bytes)
}

// sizeOfResource counts names twice: the mapper and the capabilities have texts of their own.
func sizeOfResource(r *metav1.APIResource) int {
	const text = 16
	bytes := resourceCost + 2*(len(r.Name)+len(r.SingularName)+len(r.Kind)+len(r.Group)+len(r.Version)) +
		len(r.StorageVersionHash)
	for _, texts := range [][]string{r.Verbs, r.ShortNames, r.Categories} {
		for _, one := range texts {
			bytes += text + len(one)
		}
	}
	return bytes
}
