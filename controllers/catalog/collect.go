package catalog

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/sources/store"
)

// Garbage is collected every collectEvery; what is not needed is kept for unusedFor after its last use.
const (
	collectEvery = 10 * time.Minute
	unusedFor    = time.Hour
)

// Collector removes from the artifact cache what no source holds and no reader has used for a while. It implements the
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
		if err := guard.Do("collecting garbage in the artifact cache", func() error { return g.collect(ctx) }); err != nil {
			log.FromContext(ctx).Error(err, "collecting garbage in the artifact cache failed; it is tried again later")
		}
	}
}

// NeedLeaderElection reports that only the replica that polls collects.
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

// held lists the digests that a source has as its artifact or that answer a choice, each for the source that has it.
func (c *Catalog) held(ctx context.Context) (map[store.Claim]bool, error) {
	keep := map[store.Claim]bool{}
	access := map[store.Holder]store.Holder{}
	for _, kind := range kinds {
		list := NewList(kind)
		if err := c.objects.List(ctx, list); err != nil {
			return nil, fmt.Errorf("listing the sources: %w", err)
		}

		err := meta.EachListItem(list, func(item runtime.Object) error {
			source := item.(v1beta1.Source)
			holder := holderOf(source)
			access[holder] = c.access(ctx, source)
			if artifact := source.GetArtifact(); artifact != nil {
				keep[store.Claim{Holder: holder, Digest: artifact.Digest}] = true
				keep[store.Claim{Holder: access[holder], Digest: artifact.Digest}] = true
			}

			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("listing the sources: %w", err)
		}
	}

	if err := c.heldRevisions(ctx, keep); err != nil {
		return nil, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.shelves {
		for _, holder := range []store.Holder{s.holder, access[s.holder]} {
			keep[store.Claim{Holder: holder, Digest: s.Digest}] = true
			for _, found := range s.Picks {
				keep[store.Claim{Holder: holder, Digest: found.Archive}] = true
			}
		}
	}

	for _, made := range c.composed {
		for _, digest := range []string{made.artifact.Digest, made.archive} {
			keep[store.Claim{Holder: made.holder, Digest: digest}] = true
		}
	}

	return keep, nil
}

// heldRevisions adds the artifacts that Kustomizations had applied last, while something keeps them from applying the
// present one of their source: their objects are repaired with those.
func (c *Catalog) heldRevisions(ctx context.Context, keep map[store.Claim]bool) error {
	list := &v1beta1.KustomizationList{}
	if err := c.objects.List(ctx, list); err != nil {
		return fmt.Errorf("listing the Kustomizations: %w", err)
	}

	for i := range list.Items {
		k := &list.Items[i]
		if k.Status.Held == nil || k.Status.LastAppliedArtifact == "" {
			continue
		}

		key := k.GetSourceKey()
		source, err := c.source(ctx, ChartRef{Kind: k.Spec.SourceRef.Kind, Namespace: key.Namespace, Name: key.Name})
		if err != nil {
			continue // the source is gone, and its artifacts with it
		}

		for _, holder := range []store.Holder{holderOf(source), c.access(ctx, source)} {
			keep[store.Claim{Holder: holder, Digest: k.Status.LastAppliedArtifact}] = true
		}
	}

	return nil
}
