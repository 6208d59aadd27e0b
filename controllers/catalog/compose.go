package catalog

import (
	"context"
	"fmt"
	"io"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/compose"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/store"
)

// How many artifacts are composed at the same time, and how many of those a namespace can have: each holds a processor
// and the content of its files on the disk.
const (
	compositions             = 4
	compositionsPerNamespace = 3
)

// inputOf tells one set of rules and source artifacts from another.
func inputOf(r recipe, parts map[string]ingredient) string {
	aliases := r.output.Aliases()
	input := make([]string, 0, 1+2*len(aliases))
	input = append(input, r.rules)
	for _, alias := range aliases {
		part := parts[alias]
		input = append(input, holderOf(part.source).ID, part.artifact.Digest)
	}
	return digestOfJSON(input)
}

// composeOnce makes an artifact, unless the last one was made of the same and is in the cache.
func (c *Catalog) composeOnce(
	ctx context.Context, object *v1beta1.ExternalArtifact, r recipe, parts map[string]ingredient,
) (composed, error) {
	input := inputOf(r, parts)
	key := keyOf(v1beta1.ExternalArtifactKind, object)
	c.mu.Lock()
	made, known := c.composed[key]
	c.mu.Unlock()
	view := c.View(object)
	if !known || made.input != input || !view.Has(made.artifact.Digest) ||
		made.archive != "" && !view.Has(made.archive) {
		var err error
		if made, err = c.compose(ctx, object, r, parts); err != nil {
			return composed{}, err
		}
		made.input = input
		made.holder = holderOf(object)
		c.mu.Lock()
		c.composed[key] = made
		c.mu.Unlock()
	}

	made.artifact.Revision = latestRevision + made.artifact.Digest
	if alias := strings.TrimPrefix(r.output.Revision, "@"); alias != "" {
		made.artifact.Revision = parts[alias].artifact.Revision
	}

	return made, nil
}

// compose makes an artifact of the archives of its sources.
func (c *Catalog) compose(
	ctx context.Context, object *v1beta1.ExternalArtifact, r recipe, parts map[string]ingredient,
) (made composed, err error) {
	// What has to be fetched again is fetched before the turn of the namespace: it may be composed itself.
	from := map[string]compose.Source{}
	for alias, part := range parts {
		if from[alias], err = c.fetchPart(ctx, alias, part); err != nil {
			return composed{}, err
		}
	}

	err = c.compositions.Do(ctx, object.Namespace, func() error {
		made, err = c.composeFrom(ctx, object, r.output, from)
		return err
	})
	return made, err
}

// fetchPart has the artifact of a source in the cache, and returns what opens it during the turn of a namespace.
func (c *Catalog) fetchPart(ctx context.Context, alias string, part ingredient) (compose.Source, error) {
	archive, err := c.openPart(ctx, part)
	if err != nil {
		return nil, fmt.Errorf("opening the artifact of the source @%s: %w", alias, err)
	}
	if err := archive.Close(); err != nil {
		return nil, sources.Fail(v1beta1.StorageFailedReason, err, "closing the artifact of the source @%s", alias)
	}
	return func() (io.ReadCloser, error) { return c.reopenPart(ctx, part) }, nil
}

// openPart opens the artifact of a source, which is fetched again when the cache has lost it.
func (c *Catalog) openPart(ctx context.Context, part ingredient) (io.ReadCloser, error) {
	chart, is := part.source.(*v1beta1.HelmChart)
	if !is {
		return c.OpenArtifact(ctx, part.choice, part.artifact)
	}

	archive, err := c.View(chart).Open(part.artifact.Digest)
	if !store.IsMissing(err) || chart.Status.Chart == nil {
		return archive, err
	}

	return c.Archive(ctx, part.choice, *chart.Status.Chart, true)
}

// reopenPart opens the artifact of a source during the turn of a namespace. What is composed itself would need another
// turn: the cache has it, or has lost it since a moment ago.
func (c *Catalog) reopenPart(ctx context.Context, part ingredient) (io.ReadCloser, error) {
	if part.choice.Kind == v1beta1.ExternalArtifactKind {
		return c.View(part.source).Open(part.artifact.Digest)
	}
	return c.openPart(ctx, part)
}

func (c *Catalog) composeFrom(
	ctx context.Context, object *v1beta1.ExternalArtifact, output v1beta1.OutputArtifact,
	from map[string]compose.Source,
) (composed, error) {
	ctx, cancel := context.WithTimeout(ctx, object.GetTimeout())
	defer cancel()
	scratch, err := c.store.Scratch()
	if err != nil {
		return composed{}, err
	}

	defer scratch.Close()
	view := c.View(object)
	var found compose.Made
	digest, size, err := view.Put(ctx, "", func(w io.Writer) error {
		found, err = compose.Compose(ctx, output, from, scratch, w, compose.Limits{})
		return err
	})
	if err != nil {
		return composed{}, composeFailure(ctx, err, object.GetTimeout().String())
	}

	made := composed{artifact: v1beta1.Artifact{Digest: digest, Size: size}, files: found.Files}
	if found.Chart == "" {
		return made, nil
	}

	made.chart, made.archive, err = c.packComposed(ctx, view, digest, found.Chart)
	if sources.Reason(err) == v1beta1.InvalidContentReason || sources.Reason(err) == v1beta1.NotFoundReason {
		made.noChart = err.Error() // it may be for a Kustomization alone
		err = nil
	}

	return made, err
}

// composeFailure says that the time is over, where that is the cause.
func composeFailure(ctx context.Context, err error, limit string) error {
	if ctx.Err() == nil || sources.Reason(err) != "" {
		return err
	}
	return sources.Fail(v1beta1.InvalidContentReason, err, "copying the files took longer than %s", limit)
}

// packComposed makes the archive of a chart in an artifact.
func (c *Catalog) packComposed(
	ctx context.Context, view store.View, digest, dir string,
) (*v1beta1.ChartRevision, string, error) {
	archive, err := view.Open(digest)
	if err != nil {
		return nil, "", err
	}

	defer archive.Close()
	var chart git.Chart
	packed, _, err := view.Put(ctx, "", func(w io.Writer) error {
		chart, err = git.PackChart(archive, dir, w, git.Limits{})
		return err
	})
	if err != nil {
		return nil, "", err
	}

	return &chart.ChartRevision, packed, nil
}

// restoreComposed makes an artifact again that the cache has lost.
func (c *Catalog) restoreComposed(ctx context.Context, object *v1beta1.ExternalArtifact) (composed, error) {
	generator, err := c.generatorOf(ctx, object)
	if err != nil {
		return composed{}, err
	}

	r, err := c.recipeOf(ctx, object, generator)
	if err != nil {
		return composed{}, err
	}

	parts, err := c.ingredients(ctx, object, r)
	if err != nil {
		return composed{}, err
	}

	return c.composeOnce(ctx, object, r, parts)
}

// fetchComposed has the archive of the chart in the store that an artifact holds.
func (c *Catalog) fetchComposed(
	ctx context.Context, object *v1beta1.ExternalArtifact, want v1beta1.ChartRevision,
) (string, error) {
	made, err := c.restoreComposed(ctx, object)
	if err != nil {
		return "", err
	}
	if made.chart == nil || made.chart.Digest != want.Digest {
		return "", unavailable(v1beta1.SourceNotReadyReason, "ExternalArtifact %s/%s no longer holds %s", object.Namespace,
			object.Name, want)
	}
	return made.archive, nil
}
