package catalog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
)

// pollGitRepository resolves the reference to a commit, has its work tree in the store, and packs the charts that are
// asked of it.
func (c *Catalog) pollGitRepository(ctx context.Context, source v1beta1.Source, choices []ChartRef) Polled {
	repository := source.(*v1beta1.GitRepository)
	found := c.fetchTree(ctx, repository)
	if found.Err != nil {
		return found
	}
	found.Message = "work tree of " + found.Artifact.Revision
	return c.treePolled(ctx, keyOf(v1beta1.GitRepositoryKind, repository), repository, found, choices)
}

// treePolled packs the charts and the values files that are asked of a source whose artifact is an archive of files.
func (c *Catalog) treePolled(
	ctx context.Context, key ChartRef, source v1beta1.Source, found Polled, choices []ChartRef,
) Polled {
	before := c.before(key, source)
	s := newSourceCache(address(source))
	s.Revision = found.Artifact.Revision
	s.Digest = found.Artifact.Digest
	for _, choice := range choices {
		s.Picks[choice.String()] = c.pickIn(ctx, source, found, choice, before)
	}

	changed, err := c.put(ctx, key, source, s, choices)
	if err != nil {
		return Polled{Err: err}
	}

	c.Notify(ctx, changed...)
	return found
}

// pickIn answers one choice from an archive of files.
func (c *Catalog) pickIn(
	ctx context.Context, source v1beta1.Source, found Polled, choice ChartRef, before *sourceCache,
) resolved {
	switch {
	case choice.files != "":
		return c.pickFiles(ctx, c.View(source), found, choice, before)
	case choice.pin.Digest != "":
		return c.pickPinned(ctx, source, &found.Artifact, choice, before)
	default:
		return c.pickPath(ctx, c.View(source), &found.Artifact, choice, before)
	}
}

// pickPath packs one chart of a work tree, unless that was done for the same work tree before.
func (c *Catalog) pickPath(
	ctx context.Context, view store.View, tree *v1beta1.Artifact, choice ChartRef, before *sourceCache,
) resolved {
	had := before.Picks[choice.String()]
	if before.Digest == tree.Digest && had.err == nil && had.Revision.Digest != "" {
		had.Origin = tree.Revision
		return had
	}

	found, err := c.pack(ctx, view, tree, choice)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}.keep(had)
	}

	return found
}

// fetchTree has the work tree of the wanted revision in the store, with what is included in it.
func (c *Catalog) fetchTree(ctx context.Context, repository *v1beta1.GitRepository) Polled {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	out := Polled{Verify: repository.Spec.Verify != nil}
	include, parts, err := c.included(ctx, repository)
	if err != nil {
		return Polled{Err: err}
	}

	defer closeAll(parts)
	if c.localTree != nil {
		if tree := c.localTree(repository); tree != nil {
			return c.keepLocal(ctx, repository, tree, parts)
		}
	}

	remote, content, err := c.gitRemote(ctx, repository)
	if err != nil {
		return Polled{Err: err}
	}

	out.Include, out.Content = include, contentOf(content, include)
	revision, err := remote.Resolve(ctx, gitRef(repository.Spec.Reference))
	if err != nil {
		return Polled{Err: err}
	}

	had := repository.GetArtifact()
	if had != nil && had.Revision == revision.String() && repository.Status.ObservedContent == out.Content &&
		c.View(repository).Has(had.Digest) {
		out.Artifact = *had
		return out
	}

	digest, size, err := c.View(repository).Put(ctx, "", func(w io.Writer) error {
		out.Signed, err = remote.Fetch(ctx, revision, w)
		return err
	})
	if err == nil && len(parts) > 0 {
		digest, size, err = c.merge(ctx, c.View(repository), digest, parts)
	}

	out.Artifact, out.Err = v1beta1.Artifact{Revision: revision.String(), Digest: digest, Size: size}, err
	return out
}

// merge copies parts into a work tree.
func (c *Catalog) merge(
	ctx context.Context, view store.View, tree string, parts []git.Part,
) (digest string, size int64, err error) {
	base, err := view.Open(tree)
	if err != nil {
		return "", 0, err
	}

	defer base.Close()
	seeker, ok := base.(io.ReadSeeker)
	if !ok {
		return "", 0, errors.New("the artifact in the cache cannot be read twice")
	}

	return view.Put(ctx, "", func(w io.Writer) error { return git.Merge(seeker, parts, w, git.Limits{}) })
}

// included opens the artifacts of spec.include.
func (c *Catalog) included(
	ctx context.Context, repository *v1beta1.GitRepository,
) (artifacts []v1beta1.Artifact, parts []git.Part, err error) {
	defer func() {
		if err != nil {
			closeAll(parts)
		}
	}()
	for i, include := range repository.Spec.Include {
		choice := ChartRef{
			Kind: v1beta1.GitRepositoryKind, Namespace: repository.Namespace, Name: include.GitRepositoryRef.Name,
		}
		field := fmt.Sprintf("spec.include[%d]", i)
		if choice.Name == repository.Name {
			return nil, parts, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%s names the GitRepository itself", field)
		}

		artifact, err := c.Artifact(ctx, choice)
		if err != nil {
			return nil, parts, fmt.Errorf("%s: %w", field, err)
		}

		archive, err := c.OpenArtifact(ctx, choice, artifact)
		if err != nil {
			return nil, parts, fmt.Errorf("%s: %w", field, err)
		}

		seeker, ok := archive.(io.ReadSeeker)
		if !ok {
			return nil, parts, errors.Join(fmt.Errorf("%s: the artifact in the cache cannot be read twice", field),
				archive.Close())
		}

		part, err := git.NewPart(seeker, include.FromPath, cmp.Or(include.ToPath, include.GitRepositoryRef.Name))
		if err != nil {
			return nil, parts, errors.Join(fmt.Errorf("%s: %w", field, err), archive.Close())
		}

		artifacts, parts = append(artifacts, artifact), append(parts, part)
	}

	return artifacts, parts, nil
}

func closeAll(parts []git.Part) {
	for _, part := range parts {
		if closer, ok := part.Archive.(io.Closer); ok {
			_ = closer.Close() // it was only read
		}
	}
}

// contentOf identifies by a digest what an artifact is made of beside the commit; empty for a plain work tree.
func contentOf(settings gitSettings, include []v1beta1.Artifact) string {
	digests := make([]string, 0, len(include))
	for _, artifact := range include {
		digests = append(digests, artifact.Digest)
	}

	text, err := json.Marshal(struct {
		gitSettings
		Included []string `json:",omitempty"`
	}{settings, digests})
	if err != nil || string(text) == "{}" {
		return "" // it consists of texts
	}

	sum := sha256.Sum256(text)
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

// gitSettings are what decides about the content of an artifact beside the commit.
type gitSettings struct {
	Ignore     *string                            `json:",omitempty"`
	Sparse     []string                           `json:",omitempty"`
	Submodules bool                               `json:",omitempty"`
	Include    []v1beta1.GitRepositoryInclude     `json:",omitempty"`
	Verify     *v1beta1.GitRepositoryVerification `json:",omitempty"`
	Keys       map[string][]byte                  `json:",omitempty"`
}

// gitRemote opens the repository with what its Secrets hold.
func (c *Catalog) gitRemote(ctx context.Context, repository *v1beta1.GitRepository) (*git.Remote, gitSettings, error) {
	spec := repository.Spec
	settings := gitSettings{
		Ignore: spec.Ignore, Sparse: spec.SparseCheckout, Submodules: spec.RecurseSubmodules, Include: spec.Include,
		Verify: spec.Verify,
	}
	o, err := c.gitAccess(ctx, repository)
	if err != nil {
		return nil, settings, err
	}
	if o.Content.Directories, err = git.Directories(spec.SparseCheckout); err != nil {
		return nil, settings, err
	}

	o.Content.Ignore = spec.Ignore
	o.Content.Submodules = spec.RecurseSubmodules
	if v := spec.Verify; v != nil {
		found, err := c.secretsOf(repository).secret(ctx, "verify.secretRef", &v.SecretRef)
		if err != nil {
			return nil, settings, err
		}

		settings.Keys = found.Data
		o.Verify = &git.Verification{
			Commit: v.Mode != v1beta1.VerifyTag, Tag: v.Mode == v1beta1.VerifyTag || v.Mode == v1beta1.VerifyTagAndHead,
		}
		if o.Verify.Keys, err = git.ReadTrustedKeys(found.Data); err != nil {
			return nil, settings, err
		}
	}

	remote, err := git.New(o)
	return remote, settings, err
}

// gitAccess reads how the repository is reached.
func (c *Catalog) gitAccess(ctx context.Context, repository *v1beta1.GitRepository) (git.Options, error) {
	secrets := c.secretsOf(repository)
	ssh := strings.HasPrefix(repository.Spec.URL, git.SSHScheme+"://")
	if ssh && repository.Spec.ProxySecretRef != nil {
		return git.Options{}, sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"spec.proxySecretRef cannot be used with a repository over ssh")
	}

	var access sources.GitAccess
	if ref := repository.Spec.SecretRef; ref != nil {
		found, err := secrets.secret(ctx, "secretRef", ref)
		if err != nil {
			return git.Options{}, err
		}
		if access, err = sources.GitSecret(string(found.Type), found.Data, ssh); err != nil {
			return git.Options{}, err
		}
	}

	http, err := secrets.through(ctx, transport.Options{CA: access.TLS.CA, Cert: access.TLS.Cert, Key: access.TLS.Key},
		repository.Spec.ProxySecretRef)
	if err != nil {
		return git.Options{}, err
	}

	return git.Options{
		URL: repository.Spec.URL, Credentials: access.Credentials, Identity: access.Identity, HTTP: http, Network: c.network,
		Begin: c.beginFetch(repository.Namespace),
	}, nil
}

func gitRef(reference *v1beta1.GitRepositoryRef) git.Ref {
	if reference == nil {
		return git.Ref{}
	}
	return git.Ref{
		Branch: reference.Branch, Tag: reference.Tag, SemVer: reference.SemVer, Name: reference.Name,
		Commit: reference.Commit,
	}
}
