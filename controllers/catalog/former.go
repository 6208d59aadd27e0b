package catalog

import (
	"context"
	"io"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/helmrepo"
)

// fetchFormer has the archive of a chart in the store that a HelmRepository had as the answer to a choice before: a
// release stays at it while it is held. It is fetched by its digest, as long as upstream has it.
func (c *Catalog) fetchFormer(
	ctx context.Context, repository *v1beta1.HelmRepository, choice Choice, want v1beta1.ChartRevision, has bool,
) (string, error) {
	view := c.View(repository)
	if view.Has(want.Digest) && (has || c.proven(ctx, repository, want.Digest)) {
		return want.Digest, nil // an archive is known by the digest that an index gives it
	}
	gone := unavailable(v1beta1.SourceNotReadyReason, "%s no longer stands for %s", choice, want)
	switch {
	case choice.values != "":
		return "", gone // what it was made of is not known
	case !repository.IsOCI():
		return c.fetchEntry(ctx, repository, choice, want, gone)
	}
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	access := c.access(ctx, repository)
	remote, err := c.registry(ctx, repository, choice.Chart)
	if err != nil {
		return "", err
	}
	chart, err := remote.Chart(ctx, want.Digest)
	if err != nil {
		return "", err
	}
	receive := func(w io.Writer) error { return remote.FetchArchive(ctx, chart, w) }
	digest, _, err := view.Put(ctx, chart.Archive, receive)
	if err != nil {
		return "", err
	}
	return digest, c.prove(repository, access, digest)
}

// fetchEntry fetches the entry of an index that has a digest; gone is the error when there is none.
func (c *Catalog) fetchEntry(
	ctx context.Context, repository *v1beta1.HelmRepository, choice Choice, want v1beta1.ChartRevision, gone error,
) (string, error) {
	artifact := repository.GetArtifact()
	if artifact == nil {
		return "", gone
	}
	index, release, err := c.index(ctx, repository, artifact.Digest)
	if err != nil {
		return "", err
	}
	entries := index.Versions(choice.Chart)
	i := slices.IndexFunc(entries, func(e helmrepo.Entry) bool { return e.Digest == want.Digest })
	release()
	if i < 0 {
		return "", gone
	}
	former := pick{Revision: want, Archive: want.Digest, URL: entries[i].URL}
	return c.fetchChart(ctx, repository, choice, former)
}
