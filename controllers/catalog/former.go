package catalog

import (
	"context"
	"io"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
)

// fetchFormer has the archive of a chart in the store that a HelmRepository had as the answer to a choice before: a
// release stays at it while it is held. It is fetched by its digest, as long as upstream has it.
func (c *Catalog) fetchFormer(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, want v1beta1.ChartRevision, has bool,
) (string, error) {
	view := c.View(repository)
	if view.Has(want.Digest) && (has || c.proven(ctx, repository, want.Digest)) {
		return want.Digest, nil // an archive is known by the digest that an index gives it
	}

	gone := unavailable(v1beta1.SourceNotReadyReason, "%s no longer stands for %s", choice, want)
	switch {
	case choice.values != "":
		return c.fetchFormerValued(ctx, repository, choice, want, gone)
	case !repository.IsOCI():
		same := func(e helmrepo.Entry) bool { return e.Digest == want.Digest }
		return c.fetchEntry(ctx, repository, choice, same, gone)
	}

	return c.fetchManifest(ctx, repository, choice, want.Digest)
}

// fetchFormerValued makes the archive of a former chart with other values again, from what upstream has as its version.
// Its digest says whether it is the same archive: when the version was published again, or valuesFiles names other
// files by now, the error is gone.
func (c *Catalog) fetchFormerValued(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, want v1beta1.ChartRevision, gone error,
) (string, error) {
	var base string
	var err error
	if repository.IsOCI() {
		base, err = c.fetchManifest(ctx, repository, choice, want.Version)
	} else {
		same := func(e helmrepo.Entry) bool { return e.Tag == want.Version }
		base, err = c.fetchEntry(ctx, repository, choice, same, gone)
	}
	if err != nil {
		return "", err
	}

	made, _, err := c.replaceValues(ctx, repository, base, choice)
	if err == nil && made != want.Digest {
		err = gone
	}

	return made, err
}

// fetchManifest fetches the chart that a registry has under a tag or a digest.
func (c *Catalog) fetchManifest(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, reference string,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	access := c.access(ctx, repository)
	remote, err := c.registry(ctx, repository, choice.Chart)
	if err != nil {
		return "", err
	}

	if !sources.IsDigest(reference) {
		if reference, err = remote.Resolve(ctx, reference); err != nil {
			return "", err
		}
	}

	chart, err := remote.Chart(ctx, reference)
	if err != nil {
		return "", err
	}

	receive := func(w io.Writer) error { return remote.FetchArchive(ctx, chart, w) }
	digest, _, err := c.View(repository).Put(ctx, chart.Archive, receive)
	if err != nil {
		return "", err
	}

	return digest, c.prove(repository, access, digest)
}

// fetchEntry fetches the first entry of an index that is the one; gone is the error when there is none.
func (c *Catalog) fetchEntry(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, is func(helmrepo.Entry) bool, gone error,
) (string, error) {
	found, err := c.indexed(ctx, repository, choice, gone, is)
	if err != nil {
		return "", err
	}
	return c.fetchChart(ctx, repository, choice, found)
}

// indexed is the first entry of the chart in the index that is the one; gone is the error when there is none.
func (c *Catalog) indexed(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, gone error, is func(helmrepo.Entry) bool,
) (resolved, error) {
	artifact := repository.GetArtifact()
	if artifact == nil {
		return resolved{}, gone
	}

	index, release, err := c.index(ctx, repository, artifact.Digest)
	if err != nil {
		return resolved{}, err
	}

	defer release()
	entries := index.Versions(choice.Chart)
	i := slices.IndexFunc(entries, is)
	if i < 0 {
		return resolved{}, gone
	}

	e := entries[i]
	revision := v1beta1.ChartRevision{Name: e.Name, Version: e.Tag, Digest: e.Digest}
	return resolved{Revision: revision, Archive: e.Digest, URL: e.URL}, nil
}
