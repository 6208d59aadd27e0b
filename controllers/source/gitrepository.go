package source

import (
	"context"
	"fmt"
	"io"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/git"
)

// pollGitRepository resolves the reference to a commit, has its work tree in the store, and packs the charts that are asked
// of it.
func (c *Catalog) pollGitRepository(ctx context.Context, source v1beta1.Source, choices []Choice) polled {
	repository := source.(*v1beta1.GitRepository)
	artifact, err := c.fetchTree(ctx, repository)
	if err != nil {
		return polled{err: err}
	}
	return c.treePolled(ctx, keyOf(v1beta1.GitRepositoryKind, repository), repository, artifact, choices, "work tree of "+artifact.Revision)
}

// treePolled packs the charts that are asked of a source whose artifact is an archive of files.
func (c *Catalog) treePolled(ctx context.Context, key Choice, source v1beta1.Source, artifact v1beta1.Artifact, choices []Choice, message string) polled {
	before := c.before(key, source)
	s := newShelf(address(source))
	s.Revision, s.Digest = artifact.Revision, artifact.Digest
	for _, choice := range choices {
		s.Picks[choice.String()] = c.pickPath(ctx, &artifact, choice, before)
	}
	changed, err := c.put(key, source, s, choices)
	if err != nil {
		return polled{err: err}
	}
	c.Tell(ctx, changed...)
	return polled{artifact: artifact, message: message}
}

// pickPath packs one chart of a work tree, unless that was done for the same work tree before.
func (c *Catalog) pickPath(ctx context.Context, tree *v1beta1.Artifact, choice Choice, before *shelf) pick {
	had := before.Picks[choice.String()]
	if before.Digest == tree.Digest && had.err == nil && had.Revision.Digest != "" {
		return had
	}
	found, err := c.pack(ctx, tree, choice)
	if err != nil {
		return pick{err: fmt.Errorf("%s: %w", choice, err)}.keep(had)
	}
	return found
}

func (c *Catalog) fetchTree(ctx context.Context, repository *v1beta1.GitRepository) (v1beta1.Artifact, error) {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	credentials, err := basicCredentials(ctx, c.secrets, repository.Namespace, repository.Spec.SecretRef)
	if err != nil {
		return v1beta1.Artifact{}, err
	}
	remote, err := git.New(git.Options{URL: repository.Spec.URL, Credentials: credentials})
	if err != nil {
		return v1beta1.Artifact{}, err
	}
	revision, err := remote.Resolve(ctx, gitRef(repository.Spec.Reference))
	if err != nil {
		return v1beta1.Artifact{}, err
	}
	if had := repository.GetArtifact(); had != nil && had.Revision == revision.String() && c.store.Has(had.Digest) {
		return *had, nil
	}
	digest, size, err := c.store.Put(ctx, "", func(w io.Writer) error { return remote.Fetch(ctx, revision, w) })
	return v1beta1.Artifact{Revision: revision.String(), Digest: digest, Size: size}, err
}

func gitRef(reference *v1beta1.GitRepositoryRef) git.Ref {
	if reference == nil {
		return git.Ref{}
	}
	return git.Ref{
		Branch: reference.Branch, Tag: reference.Tag, SemVer: reference.SemVer, Name: reference.Name, Commit: reference.Commit,
	}
}
