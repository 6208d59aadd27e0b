package catalog

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/sources/store"
)

// holderOf identifies a source. What one has brought into the artifact cache, no other reads: not by a digest in an
// index or in a status either. A source that was deleted and created again is another one.
func holderOf(source v1beta1.Source) store.Holder {
	id := fmt.Sprintf("%T %s/%s %s", source, source.GetNamespace(), source.GetName(), source.GetUID())
	return store.Holder{Namespace: source.GetNamespace(), ID: id}
}

// View is the artifact cache as a source sees it.
func (c *Catalog) View(source v1beta1.Source) store.View { return c.store.For(holderOf(source)) }

// origin finds the source that a choice comes from. For a HelmChart, that is the one it refers to.
func (c *Catalog) origin(ctx context.Context, choice ChartRef) (ChartRef, v1beta1.Source, error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return choice, nil, err
	}

	chart, is := source.(*v1beta1.HelmChart)
	if !is {
		return choice, source, nil
	}

	choice = ChoiceOfChart(chart)
	source, err = c.source(ctx, choice)
	return choice, source, err
}

// indexGrowth is how many times its size a document may take once it was parsed; it is reserved until the size is
// known.
const indexGrowth = 8

// index parses an index that a repository has brought, or returns it from memory. The release function has to be
// called.
func (c *Catalog) index(
	ctx context.Context, repository v1beta1.Source, digest string,
) (*helmrepo.Index, func(), error) {
	holder := holderOf(repository)
	view := c.View(repository)
	return c.indexes.Take(ctx, quota.Item[*helmrepo.Index]{
		Namespace: holder.Namespace, Key: holder.ID + digest,
		Most: func() (int64, error) {
			size, err := view.Size(digest)
			return min(size*indexGrowth, helmrepo.MaxIndexMemory), err
		},
		Make: func() (*helmrepo.Index, error) {
			document, err := view.Open(digest)
			if err != nil {
				return nil, err
			}

			defer document.Close()
			return helmrepo.ParseIndex(document, helmrepo.DefaultIndexLimit)
		},
		Size: (*helmrepo.Index).Memory,
	})
}

// parsed returns an index that is in memory.
func (c *Catalog) parsed(source v1beta1.Source, digest string) (*helmrepo.Index, bool) {
	holder := holderOf(source)
	return c.indexes.Peek(holder.Namespace, holder.ID+digest)
}

// beginFetch waits for the turn of a namespace to receive from a Git server.
func (c *Catalog) beginFetch(namespace string) func(context.Context) (func(int64) error, func(), error) {
	return func(ctx context.Context) (func(int64) error, func(), error) {
		account, err := c.packs.Enter(ctx, namespace)
		if err != nil {
			return nil, nil, sources.Fail(v1beta1.BudgetExceededReason, err,
				"waiting for other GitRepositories of namespace %s, of which %d are fetched at a time", namespace, quota.PacksEach)
		}
		return account.Grow, account.Close, nil
	}
}
