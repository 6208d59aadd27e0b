package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

// GitAt is a GitRepository at another branch, tag or commit than the one that its spec asks for.
type GitAt struct {
	// Key of the GitRepository.
	Key types.NamespacedName
	// Revision that was found, for example main@sha1:….
	Revision  string
	reference v1beta1.GitRepositoryRef
}

// GitRepositoryOf returns the GitRepository that the chart of a release comes from; false when it comes from
// elsewhere.
func GitRepositoryOf(
	ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease,
) (types.NamespacedName, bool, error) {
	choice := ChoiceOfRelease(hr)
	if choice.Kind == v1beta1.HelmChartKind {
		key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
		chart := &v1beta1.HelmChart{}
		if err := reader.Get(ctx, key, chart); err != nil {
			return types.NamespacedName{}, false, fmt.Errorf("read HelmChart %s: %w", key, err)
		}
		choice = ChoiceOfChart(chart)
	}

	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	return key, choice.Kind == v1beta1.GitRepositoryKind, nil
}

// ValuesRepositoriesOf returns the GitRepositories that a release takes values from, each once.
func ValuesRepositoriesOf(hr *v1beta1.HelmRelease) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, choice := range ChoicesOfValues(hr) {
		key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
		if choice.Kind == v1beta1.GitRepositoryKind && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// IsNoGitRef reports whether a repository does not have a reference.
func IsNoGitRef(err error) bool { return sources.Reason(err) == v1beta1.NotFoundReason }

// ResolveGit asks upstream what ref is in a GitRepository: a commit with all 40 digits, a full reference name such as
// refs/pull/420/head, a branch, or else a tag. dir is for the cache, see Resolve. The error IsNoGitRef when the
// repository has none of these.
func ResolveGit(
	ctx context.Context, reader client.Reader, dir string, key types.NamespacedName, ref string,
) (at GitAt, err error) {
	artifacts, err := store.Open(dir)
	if err != nil {
		return GitAt{}, err
	}

	defer func() { err = errors.Join(err, artifacts.Close()) }()
	c := NewCatalog(reader, reader, artifacts)
	ctx, read := redactable(ctx)
	defer func() { err = read.hide(err) }()
	source, err := c.source(ctx, ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: key.Namespace, Name: key.Name})
	if err != nil {
		return GitAt{}, err
	}

	at = GitAt{Key: key}
	at.reference, at.Revision, err = c.findGitRef(ctx, source.(*v1beta1.GitRepository), ref)
	return at, err
}

// findGitRef returns the reference that ref stands for, and its revision.
func (c *Catalog) findGitRef(
	ctx context.Context, repository *v1beta1.GitRepository, ref string,
) (v1beta1.GitRepositoryRef, string, error) {
	ctx, cancel := context.WithTimeout(ctx, repository.GetTimeout())
	defer cancel()
	remote, _, err := c.gitRemote(ctx, repository)
	if err != nil {
		return v1beta1.GitRepositoryRef{}, "", err
	}

	var failure error
	for _, reference := range gitRefsOf(ref) {
		revision, err := remote.Resolve(ctx, gitRef(&reference))
		switch {
		case err == nil:
			if reference.Branch != "" {
				reference.Commit = revision.Commit // the branch may get another commit meanwhile
			}
			return reference, revision.String(), nil
		case !IsNoGitRef(err):
			return v1beta1.GitRepositoryRef{}, "", err
		}

		if failure == nil {
			failure = err
		}
	}

	return v1beta1.GitRepositoryRef{}, "", fmt.Errorf("GitRepository %s/%s: %w%s",
		repository.Namespace, repository.Name, failure, refHint(ref))
}

// gitRefsOf are the meanings of a text, in the order in which they are tried.
func gitRefsOf(ref string) []v1beta1.GitRepositoryRef {
	switch {
	case sources.IsCommit(ref):
		return []v1beta1.GitRepositoryRef{{Commit: ref}}
	case ref == "HEAD", strings.HasPrefix(ref, "refs/"):
		return []v1beta1.GitRepositoryRef{{Name: ref}}
	default:
		return []v1beta1.GitRepositoryRef{{Branch: ref}, {Tag: ref}}
	}
}

var shortCommit = regexp.MustCompile(`^[0-9a-fA-F]{7,39}$`)

// refHint says what else a text that is no branch could stand for.
func refHint(ref string) string {
	switch {
	case ref == "HEAD", strings.HasPrefix(ref, "refs/"):
		return ""
	case shortCommit.MatchString(ref):
		return "; it is no tag either; write all 40 digits of a commit"
	}
	return "; it is no tag either"
}

// Reader returns the GitRepository as if its spec asked for the reference, and the HelmCharts that are pinned to a
// commit of it as if they were not. It reads everything else as it is.
func (g GitAt) Reader(reader client.Reader, chart types.NamespacedName) client.Reader {
	unpinned := replacing{reader, chart, func(object client.Object) {
		if chart, ok := object.(*v1beta1.HelmChart); ok {
			chart.Spec.Digest = ""
			chart.Spec.Origin = ""
		}
	}}
	return replacing{unpinned, g.Key, func(object client.Object) {
		repository, ok := object.(*v1beta1.GitRepository)
		if !ok {
			return
		}

		reference := g.reference
		repository.Spec.Reference = &reference
		repository.SetArtifact(nil)
	}}
}

// Fetch reads the archive of the work tree, with the settings of the GitRepository and what it includes. dir is for the
// cache, see Resolve.
func (g GitAt) Fetch(ctx context.Context, reader client.Reader, dir string, read func(io.Reader) error) error {
	choice := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: g.Key.Namespace, Name: g.Key.Name}
	_, err := FetchSource(ctx, g.Reader(reader, types.NamespacedName{}), dir, choice, read)
	return err
}

// FetchSource asks upstream for what a source stands for now, and reads its archive. A source that is suspended is
// asked, too. It returns the revision. dir is for the cache, see Resolve. The error holds no secret.
func FetchSource(
	ctx context.Context, reader client.Reader, dir string, choice ChartRef, read func(io.Reader) error,
) (revision string, err error) {
	artifacts, err := store.Open(dir)
	if err != nil {
		return "", err
	}

	defer func() { err = errors.Join(err, artifacts.Close()) }()
	c := NewCatalog(reader, reader, artifacts)
	ctx, used := redactable(ctx)
	defer func() { err = used.hide(err) }()
	source, err := c.source(ctx, choice)
	if err != nil {
		return "", err
	}

	found := c.Poll(ctx, source, nil)
	if found.Err != nil {
		return "", fmt.Errorf("%s: %w", choice, found.Err)
	}

	archive, err := c.View(source).Open(found.Artifact.Digest)
	if err != nil {
		return "", err
	}

	return found.Artifact.Revision, errors.Join(read(archive), archive.Close())
}
