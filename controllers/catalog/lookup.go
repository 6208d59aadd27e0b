package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/store"
)

// Lookup answers the choices of many releases, and asks each source once. It polls as the controllers do, and writes
// nothing to the cluster. Many goroutines may use it.
type Lookup struct {
	catalog *Catalog
	mu      sync.Mutex
	sources map[ChartRef]*lookedUp
}

// LookupConfig says where a Lookup reads.
type LookupConfig struct {
	// Reader reads sources and their Secrets.
	Reader client.Reader
	// Dir is for what is fetched; the caller removes it after Close.
	Dir string
	// KubeVersion is that of the cluster, as Resolve takes it.
	KubeVersion func(context.Context) (string, error)
	// Tree is what stands for the upstream of a GitRepository; nil, and a nil tree, have upstream asked.
	Tree func(*v1beta1.GitRepository) *git.LocalTree
}

// lookedUp is what is known of one source.
type lookedUp struct {
	mu sync.Mutex
	// wanted are all choices that are known of, asked those that the last poll has answered.
	wanted, asked []ChartRef
	found         Polled
}

// NewLookup returns a Lookup. The caller calls Close.
func NewLookup(config LookupConfig) (*Lookup, error) {
	artifacts, err := store.Open(config.Dir)
	if err != nil {
		return nil, err
	}

	c := NewCatalog(config.Reader, config.Reader, artifacts)
	c.SetKubeVersion(config.KubeVersion)
	c.localTree = config.Tree
	return &Lookup{catalog: c, sources: map[ChartRef]*lookedUp{}}, nil
}

// Close ends the use of the directory.
func (l *Lookup) Close() error { return l.catalog.store.Close() }

// Origin follows a choice of a HelmChart to what that asks for, and returns the source.
func (l *Lookup) Origin(ctx context.Context, choice ChartRef) (ChartRef, v1beta1.Source, error) {
	return l.catalog.origin(ctx, choice)
}

// Want announces choices, so that one poll of a source answers all of them. It asks nothing.
func (l *Lookup) Want(choices ...ChartRef) {
	for _, choice := range choices {
		at := l.of(choice)
		at.mu.Lock()
		at.want(choice)
		at.mu.Unlock()
	}
}

func (l *Lookup) of(choice ChartRef) *lookedUp {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := choice.Source()
	if l.sources[key] == nil {
		l.sources[key] = &lookedUp{}
	}
	return l.sources[key]
}

func (s *lookedUp) want(choice ChartRef) {
	if !slices.Contains(s.wanted, choice) {
		s.wanted = append(s.wanted, choice)
	}
}

// poll asks the source of a choice, unless it has answered that already.
func (l *Lookup) poll(ctx context.Context, choice ChartRef) (v1beta1.Source, Polled, error) {
	source, err := l.catalog.source(ctx, choice)
	if err != nil {
		return nil, Polled{}, err
	}

	at := l.of(choice)
	at.mu.Lock()
	defer at.mu.Unlock()
	if slices.Contains(at.asked, choice) {
		return source, at.found, at.found.Err
	}

	at.want(choice)
	at.found = l.catalog.Poll(ctx, source, at.wanted)
	at.asked = slices.Clone(at.wanted)
	return source, at.found, at.found.Err
}

// Chart finds the chart that a choice stands for. The choice is one that Origin returned.
func (l *Lookup) Chart(ctx context.Context, choice ChartRef) (v1beta1.ChartRevision, error) {
	source, found, err := l.poll(ctx, choice)
	if err != nil {
		return v1beta1.ChartRevision{}, err
	}
	if _, is := source.(*v1beta1.OCIRepository); !is {
		return l.catalog.Chart(ctx, choice)
	}
	if found.Chart == nil {
		return v1beta1.ChartRevision{}, noChart(choice)
	}
	return *found.Chart, nil
}

// Open opens the archive of a chart that Chart returned for the choice.
func (l *Lookup) Open(ctx context.Context, choice ChartRef, chart v1beta1.ChartRevision) (io.ReadCloser, error) {
	source, found, err := l.poll(ctx, choice)
	if err != nil {
		return nil, err
	}
	if _, is := source.(*v1beta1.OCIRepository); is {
		return l.catalog.View(source).Open(found.Artifact.Digest)
	}
	return l.catalog.Archive(ctx, choice, chart, false)
}

// Values finds the values files that a choice stands for. The errors are those of Catalog.Values, and none is
// IsPending.
func (l *Lookup) Values(ctx context.Context, choice ChartRef) (ValuesFiles, error) {
	if _, err := l.catalog.valuesSource(ctx, choice); err != nil {
		return ValuesFiles{}, err
	}
	if _, _, err := l.poll(ctx, choice); err != nil {
		return ValuesFiles{}, err
	}
	return l.catalog.Values(ctx, choice)
}

// Files reads the archive of a source whose artifact is an archive of files.
func (l *Lookup) Files(ctx context.Context, choice ChartRef, read func(io.Reader) error) error {
	source, found, err := l.poll(ctx, choice.Source())
	if err != nil {
		return err
	}

	archive, err := l.catalog.View(source).Open(found.Artifact.Digest)
	if err != nil {
		return err
	}

	return errors.Join(read(archive), archive.Close())
}

// keepLocal has the files of a local tree in the store, with what spec.include puts in.
func (c *Catalog) keepLocal(
	ctx context.Context, repository *v1beta1.GitRepository, tree *git.LocalTree, parts []git.Part,
) Polled {
	directories, err := git.Directories(repository.Spec.SparseCheckout)
	if err != nil {
		return Polled{Err: err}
	}

	content := git.Content{Ignore: repository.Spec.Ignore, Directories: directories}
	digest, size, err := c.View(repository).Put(ctx, "", func(w io.Writer) error { return tree.Write(ctx, content, w) })
	if err == nil && len(parts) > 0 {
		digest, size, err = c.merge(ctx, c.View(repository), digest, parts)
	}
	if err != nil {
		return Polled{Err: sources.Fail(v1beta1.FetchFailedReason, err, "reading the files of the checkout")}
	}

	return Polled{Artifact: v1beta1.Artifact{Revision: tree.Revision, Digest: digest, Size: size}}
}
