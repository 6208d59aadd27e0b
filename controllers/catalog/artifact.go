package catalog

import (
	"context"
	"fmt"
	"io"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

// ManifestKinds are the kinds of sources whose artifact is an archive of manifests.
var ManifestKinds = []string{
	v1beta1.BucketKind, v1beta1.ExternalArtifactKind, v1beta1.GitRepositoryKind, v1beta1.OCIRepositoryKind,
}

// Artifact returns the archive of manifests that a source has now; of the choice only the source counts. It never
// waits: for a source that has none yet the error IsPending, and WatchArtifacts reports when it has. Other errors say
// why there is none; they have the methods Reason and Retryable. A source that fails keeps its last artifact, which is
// served further.
func (c *Catalog) Artifact(ctx context.Context, choice ChartRef) (v1beta1.Artifact, error) {
	object, err := c.source(ctx, choice)
	if err != nil {
		return v1beta1.Artifact{}, err
	}

	name := fmt.Sprintf("%s %s/%s", choice.Kind, choice.Namespace, choice.Name)
	if repository, ok := object.(*v1beta1.OCIRepository); ok && repository.Status.Chart != nil {
		return v1beta1.Artifact{}, unavailable(v1beta1.InvalidContentReason,
			"%s holds the helm chart %s and no manifests; a HelmRelease installs it",
			name, repository.Status.Chart.Name)
	}

	if artifact := object.GetArtifact(); artifact != nil {
		return *artifact, nil
	}
	if reason, failed := failure(object); failed {
		return v1beta1.Artifact{}, unavailable(v1beta1.SourceNotReadyReason, "%s is not ready: %s", name, reason)
	}
	if object.IsSuspended() {
		return v1beta1.Artifact{}, unavailable(v1beta1.SourceNotReadyReason, "%s is suspended and has no artifact", name)
	}

	return v1beta1.Artifact{}, &pending{what: "waiting for " + name}
}

// OpenArtifact opens an archive that Artifact returned for the choice. When the cache has lost it, it is fetched again
// from upstream, once for all who ask the same source at the same time. It waits, so it is not for workers.
func (c *Catalog) OpenArtifact(ctx context.Context, choice ChartRef, want v1beta1.Artifact) (io.ReadCloser, error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return nil, err
	}

	view := c.View(source)
	archive, err := view.Open(want.Digest)
	if !store.IsMissing(err) {
		return archive, err
	}
	if err := c.restore(ctx, choice, source, want); err != nil {
		return nil, err
	}

	return view.Open(want.Digest)
}

// restore fetches an artifact again.
func (c *Catalog) restore(
	ctx context.Context, choice ChartRef, object v1beta1.Source, want v1beta1.Artifact,
) (err error) {
	key := fetchKey{Holder: c.access(ctx, object), digest: want.Digest}
	_, err = c.once(ctx, key, func(ctx context.Context) (_ string, err error) {
		var found v1beta1.Artifact
		switch source := object.(type) {
		case *v1beta1.GitRepository:
			polled := c.fetchTree(ctx, source)
			found = polled.Artifact
			err = polled.Err
		case *v1beta1.Bucket:
			found, err = c.fetchBucket(ctx, source)
		case *v1beta1.OCIRepository:
			polled := c.fetchArtifact(ctx, source)
			found = polled.Artifact
			err = polled.Err
		case *v1beta1.ExternalArtifact:
			made, failed := c.restoreComposed(ctx, source)
			found = made.artifact
			err = failed
		default:
			return "", sources.Stall(v1beta1.InvalidReferenceReason, nil, "%s has no manifests", choice.Kind)
		}

		if err == nil && found.Digest != want.Digest {
			err = unavailable(v1beta1.SourceNotReadyReason, "%s %s/%s no longer has %s, which the cache has lost; it has %s now",
				choice.Kind, choice.Namespace, choice.Name, want.Revision, found.Revision)
		}

		return found.Digest, err
	})
	return err
}

// WatchArtifacts returns the watches of a controller whose objects refer to the artifacts of sources.
func WatchArtifacts(users Users) []loop.Watch {
	return watches(ManifestKinds, HasNews(), users)
}

// HasNews lets the events through after which who refers to the artifact of a source may decide otherwise.
func HasNews() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(Object)
		after, also := e.ObjectNew.(Object)
		if !ok || !also {
			return false
		}

		had := before.GetArtifact()
		has := after.GetArtifact()
		return readiness(before) != readiness(after) || (had == nil) != (has == nil) ||
			has != nil && !had.HasRevision(has.Revision, has.Digest)
	}, GenericFunc: func(event.GenericEvent) bool { return false }}
}
