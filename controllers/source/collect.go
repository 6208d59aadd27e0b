package source

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Garbage is collected every collectEvery; what nobody needs is kept for unusedFor after its last use.
const (
	collectEvery = 10 * time.Minute
	unusedFor    = time.Hour
)

// Collector removes from the artifact cache what no source holds and nobody has used for a while. It implements the
// manager's Runnable.
type Collector struct {
	Catalog *Catalog
	Now     func() time.Time
}

// Start collects until ctx ends.
func (g *Collector) Start(ctx context.Context) error {
	ticker := time.NewTicker(collectEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := g.collect(ctx); err != nil {
			log.FromContext(ctx).Error(err, "collecting garbage in the artifact cache failed; it is tried again later")
		}
	}
}

// NeedLeaderElection tells the manager that only the replica that polls collects.
func (g *Collector) NeedLeaderElection() bool { return true }

func (g *Collector) collect(ctx context.Context) error {
	keep, err := g.Catalog.held(ctx)
	if err != nil {
		return err
	}
	removed, freed, err := g.Catalog.store.Collect(keep, g.Now().Add(-unusedFor))
	if err != nil {
		return fmt.Errorf("after removing %d artifacts: %w", removed, err)
	}
	if removed > 0 {
		log.FromContext(ctx).Info("collected garbage in the artifact cache", "artifacts", removed, "bytes", freed)
	}
	return nil
}

// held lists the digests that a source has as its artifact or that answer a choice.
func (c *Catalog) held(ctx context.Context) (map[string]bool, error) {
	keep := map[string]bool{}
	for _, list := range []client.ObjectList{
		&v1beta1.GitRepositoryList{}, &v1beta1.HelmRepositoryList{}, &v1beta1.OCIRepositoryList{}, &v1beta1.HelmChartList{},
	} {
		if err := c.objects.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing the sources: %w", err)
		}
		for _, artifact := range artifacts(list) {
			keep[artifact.Digest] = true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.shelves {
		keep[s.Digest] = true
		for _, found := range s.Picks {
			keep[found.Archive] = true
		}
	}
	return keep, nil
}

func artifacts(list client.ObjectList) []*v1beta1.Artifact {
	var found []*v1beta1.Artifact
	add := func(source v1beta1.Source) {
		if artifact := source.GetArtifact(); artifact != nil {
			found = append(found, artifact)
		}
	}
	switch typed := list.(type) {
	case *v1beta1.GitRepositoryList:
		for i := range typed.Items {
			add(&typed.Items[i])
		}
	case *v1beta1.HelmRepositoryList:
		for i := range typed.Items {
			add(&typed.Items[i])
		}
	case *v1beta1.OCIRepositoryList:
		for i := range typed.Items {
			add(&typed.Items[i])
		}
	case *v1beta1.HelmChartList:
		for i := range typed.Items {
			add(&typed.Items[i])
		}
	}
	return found
}
