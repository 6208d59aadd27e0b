package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// atOnce is how many objects of a set are worked on at the same time.
const atOnce = 8

// establish is how long a new definition may take to be served.
const establish = time.Minute

// run is one call of Apply.
type run struct {
	Set
	engine *Engine
	site   *clusterState
	as     *cluster.Identity
	// share of the processor that the run holds.
	share *fair.Slot
	// items of the set, and those of them that have to be looked at or written.
	items, open []*item
	crdsInSet   crdsInSet
	// gone are the objects of Before that the set has not any more.
	gone []*pruneCandidate
	// inTheWay is the first object of others that kept one of them from being deleted; nil when there is none. fates
	// are those of Helm releases, by the mark of their hooks.
	inTheWay *tracker.Ref
	fates    map[string]fate
	// departs is set when the Kustomization itself goes.
	departs bool
	// foresight of a preview; nil otherwise.
	foresight HandoverPreview
	// tolerant is set on a preview that judges what the API server refuses by its manifest.
	tolerant bool

	mu     sync.Mutex
	result Result
}

// Apply brings a set into the cluster. What is wrong with any of its objects is found out before the first is written:
// then nothing is written or deleted. An object that cannot be written later keeps the others from being pruned; it is
// named, and those of the stages before it stay. It may take as long as ctx lets it.
func (e *Engine) Apply(ctx context.Context, access cluster.Access, set Set) Result {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return Result{Err: err}
	}

	share, err := e.take(ctx, access, set.Kind)
	if set.Begun != nil {
		set.Begun()
	}
	if err != nil {
		return Result{Err: err}
	}

	defer share.Close()
	r := &run{Set: set, engine: e, site: at, as: as, share: share}
	written := false
	err = r.prove(ctx)
	if err == nil { // an object may be claimed only by those who may write it
		err = r.claim(ctx)
		r.release(err)
	}

	if err == nil {
		written, err = r.roll(ctx)
	}

	if err == nil && r.Prune && !r.Repair {
		r.hold()
		r.awaitConfirmation()
		err = r.prune(ctx)
	}

	if err == nil && !r.Repair {
		r.letGo(ctx)
	}

	has := r.Before
	if written || err == nil || len(r.result.Deleted)+len(r.result.Retained) > 0 {
		r.result.Inventory = r.inventory()
		has = r.result.Inventory
	}

	r.result.Err = err
	r.result.Warned = r.warned()
	r.result.StillRetained = r.stillRetained(ctx)
	r.site.settle(r.Owner, has)
	return r.result
}

// prove finds out whether the set can be applied, and whether that would be what was approved.
func (r *run) prove(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.validate(ctx); err != nil {
		return err
	}
	return r.asApproved(ctx)
}

// waitReleased waits without holding the processor. It is not for several waits at the same time.
func (r *run) waitReleased(wait func() error) error {
	r.share.Release()
	defer r.share.Acquire()
	return wait()
}

// prepare finds out what each object is in the cluster, and whose.
func (r *run) prepare(ctx context.Context) error {
	if len(r.Objects) == 0 && len(r.Before) > 0 && r.Prune && !r.AllowEmpty && !r.Repair {
		return &EmptyError{Objects: len(r.Before)}
	}

	r.crdsInSet = broughtBy(r.Objects)
	if err := r.partition(); err != nil {
		return err
	}
	if err := r.observe(ctx); err != nil {
		return err
	}

	for _, i := range r.items {
		if r.Repair && !i.unchanged() {
			r.leaveUntilApproved(i)
		} else if n := needOf(i, func() *dispute { return r.dispute(i) }, r.Ignore); n.write {
			r.open = append(r.open, i)
		} else if n.leave {
			r.leaveAlone(i, n.dispute)
		}
	}

	r.shapes(r.open)
	return nil
}

// partition finds out which objects are wanted, and which are no longer.
func (r *run) partition() error {
	before := r.before()
	for _, o := range r.Objects {
		i, err := newItem(o, r.site.cluster.Mapper(), r.crdsInSet, r.Owner.Namespace)
		var unknown *KindError
		if r.Repair && errors.As(err, &unknown) {
			continue // no object of that kind was applied
		}
		if err != nil {
			return err
		}

		i.before = before[i.id]
		if r.Repair && i.before == nil {
			continue
		}

		delete(before, i.id)
		r.items = append(r.items, i)
	}

	for _, ref := range r.Before {
		if before[ref.ID] != nil {
			r.gone = append(r.gone, newRemnant(ref))
		}
	}

	return nil
}

// observe takes over what the tracker knows of the objects. Kinds that may not be watched are asked for object by object.
func (r *run) observe(ctx context.Context) error {
	kinds := map[schema.GroupVersionKind]tracker.Kind{}
	for _, i := range r.items {
		if !i.pending {
			kinds[i.kind.GVK] = i.kind
		}
	}

	list := make([]tracker.Kind, 0, len(kinds))
	for _, kind := range kinds {
		list = append(list, kind)
	}

	var refused *tracker.RefusedError
	err := r.waitReleased(func() error { return r.site.tracker.Use(ctx, userOf(r.Owner)+" applies", list...) })
	if exceeded := r.site.cluster.Memory().Err(); exceeded != nil {
		err = exceeded
	}
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("waiting for what the cluster has: %w", err)
	}

	defer r.site.tracker.Drop(userOf(r.Owner) + " applies")
	return r.each(ctx, r.items, func(ctx context.Context, i *item) error {
		if i.pending {
			return r.seePending(ctx, i)
		}

		i.entry, i.there = r.site.tracker.Get(i.ref())
		if i.tracked = r.site.tracker.Tracks(i.kind.GVK); i.tracked {
			return nil
		}

		i.entry = tracker.Entry{}
		i.there = false
		live, err := r.get(ctx, i)
		if err != nil {
			return fmt.Errorf("reading %s: %w", i, err)
		}
		if live != nil {
			i.entry, i.there = tracker.Kustomizations().Reduce(live), true
		}

		return nil
	})
}

func (r *run) keep(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Kept = append(r.result.Kept, text)
}

// roll writes what has to be written, stage by stage, and reports whether anything was.
func (r *run) roll(ctx context.Context) (written bool, err error) {
	for stage := range stages {
		var now []*item
		for _, i := range r.open {
			if i.stage == stage {
				now = append(now, i)
			}
		}

		if len(now) == 0 {
			continue
		}
		if err := r.resolve(now); err != nil {
			return written, err
		}

		err := r.each(ctx, now, r.write)
		for _, i := range now {
			written = written || i.ownership != ""
		}
		if err != nil {
			return written, err
		}

		if stage == definitions {
			if err := r.established(ctx, now); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// resolve finds out how kinds are served that the set itself has brought.
func (r *run) resolve(items []*item) error {
	for _, i := range items {
		if !i.pending {
			continue
		}

		mapping, err := r.site.cluster.Mapper().RESTMapping(i.kind.GVK.GroupKind(), i.kind.GVK.Version)
		if err != nil {
			return fmt.Errorf("%s: its definition was applied, but the cluster does not serve it yet: %w", i.place(), err)
		}

		i.pending = false
		i.kind.Resource, i.kind.Namespaced = mapping.Resource.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace
	}
	return nil
}

// established waits until the definitions among objects are served.
func (r *run) established(ctx context.Context, items []*item) error {
	ctx, cancel := context.WithTimeout(ctx, establish)
	defer cancel()
	var kinds []schema.GroupVersionKind
	for _, d := range r.crdsInSet {
		kinds = append(kinds, d.Kinds()...)
	}
	if !slices.ContainsFunc(items, func(i *item) bool { return i.GroupVersionKind().GroupKind() == definitionKind }) {
		return nil
	}
	if err := r.waitReleased(func() error { return r.site.cluster.AwaitKinds(ctx, kinds...) }); err != nil {
		return fmt.Errorf("waiting until the definitions of %s are served: %w", kindNames(kinds), err)
	}

	return nil
}

func kindNames(kinds []schema.GroupVersionKind) string {
	names := make([]string, 0, len(kinds))
	for _, kind := range kinds {
		names = append(names, kind.Kind)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// each works on objects, some at the same time. All of them are worked on, also when one fails.
func (r *run) each(ctx context.Context, items []*item, do func(context.Context, *item) error) error {
	failed := make([]error, len(items))
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for at, i := range items {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			failed[at] = guard.Do("writing an object", func() error { return do(ctx, i) })
		})
	}

	group.Wait()
	return ssa.Join(failed)
}

// inventory is what is in the cluster by now: what was written, what was there before and was not written, and what was
// to be deleted and was not.
func (r *run) inventory() []v1beta1.ResourceRef {
	out := make([]v1beta1.ResourceRef, 0, len(r.items)+len(r.gone))
	for _, i := range r.items {
		switch {
		case i.ownership != "" || i.unchanged():
			out = append(out, i.inventory())
		case i.before != nil:
			out = append(out, *i.before)
		}
	}

	for _, g := range r.gone {
		if !g.done {
			out = append(out, g.ref)
		}
	}

	slices.SortFunc(out, func(a, b v1beta1.ResourceRef) int { return strings.Compare(a.ID, b.ID) })
	return out
}
