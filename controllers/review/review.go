// Package review finds out what a change of a Git repository would do to releases and Kustomizations, without a
// cluster.
//
//	two trees ─► directories, Kustomizations ─► objects ─┬─► Kustomizations that differ ─────────────────► plans
//	                                                     └─► releases whose inputs differ ─► charts, values ─┘
//
// Both trees are built as the controller builds them. A release whose inputs are the same on both sides costs nothing:
// its chart is not fetched. What is not in the trees is read from a cluster when there is one, and left out otherwise;
// notes say what is missing.
package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/view"
	"fairlead.dev/fairlead/sources/git"
)

// Config says what is compared.
type Config struct {
	// Checkout is the repository, Base and Head are the trees before and after the change.
	Checkout   *git.Checkout
	Base, Head *git.LocalTree
	// Paths are directories to build, relative to the root of the repository.
	Paths []string
	// Sources are GitRepositories that stand for this repository, besides those with the URL of a remote of it.
	Sources []types.NamespacedName
	// Namespace is that of objects in Paths that name none.
	Namespace string
	// Cluster reads what is not in the trees; nil for no cluster.
	Cluster client.Reader
	// KubeVersion and APIVersions are what charts see.
	KubeVersion string
	APIVersions []string
	// CacheDir keeps charts of exact versions from one run to the next.
	CacheDir string
	// DockerConfig holds the credentials for registries whose Secrets are not known; empty for none.
	DockerConfig []byte
	// Pool renders charts and builds kustomizations.
	Pool engine.Pool
	// Workers is how many plans are made at the same time.
	Workers int
	// Progress is called with what is being done. It may be called by many goroutines at the same time.
	Progress func(text string)
}

// runner makes one review.
type runner struct {
	Config
	base, head *side
	offline    *engine.Offline
	charts     *chartCache
	notes      notes
}

// Run makes the plans of all that the change touches. A plan that cannot be made is an item with an error. The error of
// Run says why there is no review at all.
func Run(ctx context.Context, config Config) (_ *view.Review, err error) {
	r := &runner{Config: config}
	if r.offline, err = engine.NewOffline(config.Pool, config.KubeVersion, config.APIVersions); err != nil {
		return nil, err
	}

	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return nil, err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if r.charts, err = openCharts(config.CacheDir, filepath.Join(dir, "charts")); err != nil {
		return nil, err
	}
	if r.base, err = newSide(r, "base", config.Base, filepath.Join(dir, "base")); err != nil {
		return nil, err
	}

	defer func() { err = errors.Join(err, r.base.lookup.Close()) }()
	if r.head, err = newSide(r, "head", config.Head, filepath.Join(dir, "head")); err != nil {
		return nil, err
	}

	defer func() { err = errors.Join(err, r.head.lookup.Close()) }()
	if err := r.build(ctx); err != nil {
		return nil, err
	}

	return r.review(ctx)
}

// build builds both trees.
func (r *runner) build(ctx context.Context) error {
	for i, name := range r.Paths {
		r.Paths[i] = cleaned(name)
		if !r.base.has(r.Paths[i]) && !r.head.has(r.Paths[i]) {
			return fmt.Errorf("there is no directory %s in the Git repository %s, neither in %s nor in %s",
				name, r.Checkout.Root(), r.Base.Revision, r.Head.Revision)
		}
	}

	failures := make([]error, 2)
	parallel(2, 2, func(i int) {
		failures[i] = []*side{r.base, r.head}[i].build(ctx)
	}, func(i int, fault error) { failures[i] = fault })
	return errors.Join(failures...)
}

// cleaned is a path relative to the root, "." for the root itself.
func cleaned(name string) string {
	return cmp.Or(strings.Trim(path.Clean("/"+filepath.ToSlash(name)), "/"), ".")
}

// review makes the plans.
func (r *runner) review(ctx context.Context) (*view.Review, error) {
	out := &view.Review{
		Base: r.Base.Revision, Head: r.Head.Revision, KubeVersion: r.offline.KubeVersion(), Items: []view.ReviewItem{},
	}
	units := union(r.base.units, r.head.units, unitKey.String)
	releases := union(r.base.releases, r.head.releases, types.NamespacedName.String)
	tasks := make([]task, 0, len(units)+len(releases))
	for _, key := range units {
		tasks = append(tasks, r.unitTask(key))
	}
	for _, key := range releases {
		tasks = append(tasks, r.releaseTask(key))
	}

	touched := slices.DeleteFunc(slices.Clone(tasks), func(t task) bool { return !t.touched })
	out.Untouched = len(tasks) - len(touched)
	r.want(ctx, touched)
	items := r.work(ctx, touched)
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	for _, item := range items {
		if item.Error == "" && !item.Differs() {
			out.Untouched++
			continue
		}
		out.Items = append(out.Items, item)
	}

	out.Notes = r.notes.sorted()
	out.Sort()
	return out, nil
}

// task is one plan to make.
type task struct {
	// item is the plan to fill in.
	item    view.ReviewItem
	touched bool
	// from and to are the release on either side; nil where it is not there, and for what is no release.
	from, to *declared
	plan     func(ctx context.Context, item *view.ReviewItem) error
	// place finds where it is declared; nil when that is not known.
	place func() (file string, line int)
}

// work makes the plans.
func (r *runner) work(ctx context.Context, tasks []task) []view.ReviewItem {
	items := make([]view.ReviewItem, len(tasks))
	var done sync.Mutex
	count := 0
	parallel(len(tasks), r.Workers, func(i int) {
		items[i] = tasks[i].item
		if err := tasks[i].plan(ctx, &items[i]); err != nil {
			items[i].Error = err.Error()
		}
		if tasks[i].place != nil {
			items[i].File, items[i].Line = tasks[i].place()
		}

		done.Lock()
		defer done.Unlock()
		if count++; count%max(len(tasks)/20, 1) == 0 || count == len(tasks) {
			r.Progress(fmt.Sprintf("planned %d of %d", count, len(tasks)))
		}
	}, func(i int, fault error) {
		items[i] = tasks[i].item
		items[i].Error = fault.Error()
	})
	return items
}

// parallel does n pieces of work, some at the same time, and waits for all. fault is called for a piece that panics.
func parallel(n, workers int, work func(i int), fault func(i int, err error)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, max(workers, 1))
	for i := range n {
		slots <- struct{}{}
		all.Add(1)
		end := func() {
			<-slots
			all.Done()
		}
		guard.GoOr("planning a change", func() {
			work(i)
			end()
		}, func(err error) {
			fault(i, err)
			end()
		})
	}

	all.Wait()
}

// union are the keys of two maps, in a stable order.
func union[K comparable, V any](a, b map[K]V, name func(K) string) []K {
	var keys []K
	for key := range a {
		keys = append(keys, key)
	}
	for key := range b {
		if _, both := a[key]; !both {
			keys = append(keys, key)
		}
	}

	slices.SortFunc(keys, func(a, b K) int { return strings.Compare(name(a), name(b)) })
	return keys
}

// notes are texts, each once.
type notes struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.texts == nil {
		n.texts = map[string]bool{}
	}
	n.texts[fmt.Sprintf(format, args...)] = true
}

func (n *notes) sorted() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]string, 0, len(n.texts))
	for text := range n.texts {
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}
