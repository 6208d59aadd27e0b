package catalog

import (
	"context"
	"fmt"
	"io"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/store"
)

// fetch is one archive on its way into the store.
type fetch struct {
	done   chan struct{}
	digest string
	err    error
}

// fetchKey says who fetches what. Another source, or the same with other credentials, has another access: its answers
// and its delays are its own. So are those of an object that has what it asks for, which no access is needed for.
type fetchKey struct {
	store.Holder
	digest string
	has    bool
}

// ensure has the archive of a chart in the store and returns its digest there, and the store as the source of the chart
// sees it.
func (c *Catalog) ensure(
	ctx context.Context, choice ChartRef, want v1beta1.ChartRevision, has bool,
) (store.View, string, error) {
	choice, source, err := c.origin(ctx, choice)
	if err != nil {
		return store.View{}, "", err
	}

	key := fetchKey{c.access(ctx, source), want.Digest, has}
	digest, err := c.once(ctx, key, func(ctx context.Context) (string, error) {
		switch object := source.(type) {
		case *v1beta1.OCIRepository:
			return c.fetchOCI(ctx, object, want, has)
		case *v1beta1.ExternalArtifact:
			return c.fetchComposed(ctx, object, want)
		}
		return c.fetch(ctx, choice, source, want, has)
	})
	return c.View(source), digest, err
}

// once fetches what has a digest, and has everybody wait for it who asks the same source meanwhile.
func (c *Catalog) once(ctx context.Context, digest fetchKey, do func(context.Context) (string, error)) (string, error) {
	c.mu.Lock()
	if running, ok := c.fetches[digest]; ok {
		c.mu.Unlock()
		return running.wait(ctx)
	}

	own := &fetch{done: make(chan struct{})}
	c.fetches[digest] = own
	c.mu.Unlock()

	ctx, read := redactable(ctx)
	// the others wait for its end, a panic included
	own.err = read.hide(guard.Do("fetching an archive", func() (err error) {
		own.digest, err = do(ctx)
		return err
	}))
	c.mu.Lock()
	delete(c.fetches, digest)
	c.mu.Unlock()
	close(own.done)
	return own.digest, own.err
}

func (f *fetch) wait(ctx context.Context) (string, error) {
	select {
	case <-f.done:
		return f.digest, f.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// fetch has the archive of a chart in the store that a source offers among others.
func (c *Catalog) fetch(
	ctx context.Context, choice ChartRef, source v1beta1.Source, want v1beta1.ChartRevision, has bool,
) (string, error) {
	found, ok := c.pick(ctx, choice, source)
	if !ok || found.Revision.Digest != want.Digest {
		if repository, is := source.(*v1beta1.HelmRepository); is {
			return c.fetchFormer(ctx, repository, choice, want, has)
		}
		return "", unavailable(v1beta1.SourceNotReadyReason, "%s no longer stands for %s", choice, want)
	}

	if found.Archive != "" && c.View(source).Has(found.Archive) && (has || c.proven(ctx, source, found.Archive)) {
		return found.Archive, nil
	}

	switch object := source.(type) {
	case *v1beta1.HelmRepository:
		if found.Base != nil {
			return c.fetchValued(ctx, object, choice, found)
		}
		return c.fetchNamed(ctx, object, choice, found)
	case *v1beta1.GitRepository:
		if choice.pin.Digest != "" {
			packed, err := c.packPinned(ctx, object, object.GetArtifact(), choice)
			return packed.Archive, err
		}

		packed, err := c.pack(ctx, c.View(source), object.GetArtifact(), choice)
		if err == nil && packed.Revision.Digest != want.Digest {
			err = unavailable(v1beta1.SourceNotReadyReason, "%s no longer stands for %s", choice, want)
		}

		return packed.Archive, err
	}

	return "", sources.Stall(v1beta1.InvalidReferenceReason, nil, "%s has no charts", choice.Kind)
}

// fetchChart fetches the archive of a pick from a Helm repository.
func (c *Catalog) fetchChart(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, found resolved,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	access := c.access(ctx, repository)
	want, receive, err := c.receive(ctx, repository, choice, found)
	if err != nil {
		return "", err
	}

	digest, _, err := c.View(repository).Put(ctx, want, receive)
	if err != nil {
		return "", err
	}

	return digest, c.prove(repository, access, digest)
}

// receive returns what receives the archive of a pick, and the digest that it has to have.
func (c *Catalog) receive(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, found resolved,
) (digest string, receive func(io.Writer) error, err error) {
	if repository.IsOCI() {
		remote, err := c.registry(ctx, repository, choice.Chart)
		return found.Archive, func(w io.Writer) error { return remote.FetchArchive(ctx, found.ociChart(), w) }, err
	}
	remote, err := c.helmRepository(ctx, repository)
	return found.Revision.Digest, func(w io.Writer) error { return remote.FetchChart(ctx, found.entry(), w) }, err
}

// fetchValued makes the archive of a pick with other values again.
func (c *Catalog) fetchValued(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, found resolved,
) (string, error) {
	base, err := c.fetchChart(ctx, repository, choice, *found.Base)
	if err != nil {
		return "", err
	}
	made, _, err := c.replaceValues(ctx, repository, base, choice)
	if err == nil && made != found.Archive {
		err = unavailable(v1beta1.SourceNotReadyReason, "%s no longer makes %s", choice, found.Revision)
	}
	return made, err
}

// valued gives the chart of a pick other values, where the choice asks for that. It is built again only when upstream
// has another chart.
func (c *Catalog) valued(
	ctx context.Context, repository *v1beta1.HelmRepository, choice ChartRef, found, before resolved,
) resolved {
	if choice.values == "" || found.Revision.Digest == "" || found.Base != nil {
		return found
	}

	if before.Base != nil && before.Base.Revision == found.Revision {
		before.err = found.err
		before.needsReverify = false
		before.Base = &found
		return before
	}

	base, err := c.fetchChart(ctx, repository, choice, found)
	if err != nil {
		return resolved{err: err}.keep(before)
	}

	made, size, err := c.replaceValues(ctx, repository, base, choice)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}.keep(before)
	}

	revision := v1beta1.ChartRevision{Name: found.Revision.Name, Version: found.Revision.Version, Digest: made}
	return resolved{Revision: revision, Archive: made, Size: size, Unfit: found.Unfit, Base: &found, err: found.err}
}

// replaceValues makes an archive with other values and returns its digest. Who has access to the one has access to the
// other.
func (c *Catalog) replaceValues(
	ctx context.Context, repository *v1beta1.HelmRepository, base string, choice ChartRef,
) (digest string, size int64, err error) {
	view := c.View(repository)
	access := c.access(ctx, repository)
	files, err := choice.Values().Check()
	if err != nil {
		return "", 0, err
	}

	archive, err := view.Open(base)
	if err != nil {
		return "", 0, err
	}

	defer archive.Close()
	digest, size, err = view.Put(ctx, "", func(w io.Writer) error { return files.Replace(archive, w) })
	if err != nil || !c.store.For(access).Has(base) {
		return digest, size, err
	}

	return digest, size, c.prove(repository, access, digest)
}

// fetchOCI has the archive that an OCIRepository stands for in the store.
func (c *Catalog) fetchOCI(
	ctx context.Context, repository *v1beta1.OCIRepository, want v1beta1.ChartRevision, has bool,
) (string, error) {
	if chart, artifact := repository.Status.Chart, repository.GetArtifact(); chart != nil && artifact != nil &&
		chart.Digest == want.Digest &&
		c.View(repository).Has(artifact.Digest) && (has || c.proven(ctx, repository, artifact.Digest)) {
		return artifact.Digest, nil
	}

	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	access := c.access(ctx, repository)
	remote, err := c.ociRepository(ctx, repository)
	if err != nil {
		return "", err
	}

	chart, err := remote.Chart(ctx, want.Digest)
	if err != nil {
		return "", err
	}

	digest, _, err := c.View(repository).Put(ctx, chart.Archive, func(w io.Writer) error {
		return remote.FetchArchive(ctx, chart, w)
	})
	if err != nil {
		return "", err
	}

	return digest, c.prove(repository, access, digest)
}

// pack makes the archive of a chart in the work tree of a Git repository.
func (c *Catalog) pack(
	ctx context.Context, view store.View, tree *v1beta1.Artifact, choice ChartRef,
) (resolved, error) {
	if tree == nil {
		return resolved{}, &pending{what: "waiting for " + choice.Source().String()}
	}

	archive, err := view.Open(tree.Digest)
	if store.IsMissing(err) {
		c.wake(choice)
		return resolved{}, &pending{what: "fetching " + choice.Source().String() + " again, because the cache has lost it"}
	}
	if err != nil {
		return resolved{}, err
	}

	defer archive.Close()
	var chart git.Chart
	digest, size, err := view.Put(ctx, "", func(w io.Writer) error {
		chart, err = git.PackChartWith(archive, choice.Chart, choice.Values(), w, git.Limits{})
		return err
	})
	if err != nil {
		return resolved{}, err
	}

	return resolved{Revision: chart.ChartRevision, Archive: digest, Size: size, Origin: tree.Revision}, nil
}
