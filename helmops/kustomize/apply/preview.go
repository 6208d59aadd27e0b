package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/definition"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// Previewed is what would become of one object.
type Previewed struct {
	// Live is the object as it is, nil when it does not exist; Would as it would be, nil when it would be deleted.
	Live, Would *unstructured.Unstructured
	// Kept says why the object stays although the set no longer has it; empty when it does not.
	Kept string
	// From and To are the Kustomizations, as NAMESPACE/NAME, that the object is taken over from and that take it over;
	// empty when it does not change hands.
	From, To string
	// Unsure says who may take over an object that would be deleted, without that being known.
	Unsure string
	// Refused says why the API server does not take the object as it would be, which is then its manifest laid over
	// what is there; empty when it takes it, and in previews that fail then.
	Refused string
}

// Preview finds out what applying a set would do, with the rights of as. It only reads and tries. exists reports
// whether there is a Kustomization of that name; nil takes it for granted. foresight says which objects change hands;
// nil lets none do so. The error says what would be refused; what of the set could be tried is returned all the same.
func Preview(
	ctx context.Context, as *cluster.Identity, set Set, exists func(context.Context, types.NamespacedName) bool,
	foresight HandoverPreview,
) ([]Previewed, error) {
	r := newPreview(as, set, exists)
	r.foresight = foresight
	return r.previewAll(ctx)
}

func newPreview(
	as *cluster.Identity, set Set, exists func(context.Context, types.NamespacedName) bool,
) *run {
	return &run{
		Set: set, as: as, site: &clusterState{cluster: as.Cluster()}, crdsInSet: broughtBy(set.Objects),
		engine: &Engine{config: Config{Exists: exists}},
	}
}

func (r *run) previewAll(ctx context.Context) ([]Previewed, error) {
	if err := r.partition(); err != nil {
		return nil, err
	}

	out, err := r.previewItems(ctx)
	switch {
	case err != nil, !r.Prune:
		return out, err
	case len(r.Objects) == 0 && len(r.Before) > 0 && !r.AllowEmpty:
		return out, &EmptyError{Objects: len(r.Before)}
	}

	return r.previewPrune(ctx, out)
}

// previewItems tries all objects. The error names those that would be refused.
func (r *run) previewItems(ctx context.Context) ([]Previewed, error) {
	namespaces := sets.New[string]()
	for _, i := range r.items {
		if i.GroupVersionKind().GroupKind() == namespaceKind {
			namespaces.Insert(i.GetName())
		}
	}

	var mu sync.Mutex
	found := map[*item]Previewed{}
	rejected := &ssa.InvalidObjectsError{Of: len(r.items)}
	try := func(ctx context.Context, i *item) error {
		p, err := r.preview(ctx, i, namespaces)
		mu.Lock()
		defer mu.Unlock()
		var refused *ssa.ObjectError
		switch {
		case errors.As(err, &refused) && r.tolerant:
			p = p.foreseen(i)
			p.Refused = refused.Error()
			err = nil
		case errors.As(err, &refused):
			rejected.Add(refused)
			return nil
		}

		if p.Live != nil || p.Would != nil {
			found[i] = p
		}

		return err
	}
	r.open = r.items
	r.shapes(r.items)
	settled, shaped := r.byShape()
	err := r.each(ctx, settled, try)
	if len(rejected.Objects) > 0 { // what a definition says counts once the API server would take it
		unshape(shaped)
	}

	err = ssa.Join([]error{err, r.each(ctx, shaped, try)})
	out := make([]Previewed, 0, len(found))
	for _, i := range r.items {
		if p, is := found[i]; is {
			out = append(out, p)
		}
	}

	if err == nil && len(rejected.Objects) > 0 {
		err = rejected
	}

	return out, err
}

func (r *run) preview(ctx context.Context, i *item, namespaces sets.Set[string]) (Previewed, error) {
	p := Previewed{Would: i.Unstructured}
	if i.pending {
		return p, r.localCustom(ctx, i)
	}

	var err error
	if p.Live, err = r.get(ctx, i); err != nil {
		return p, fmt.Errorf("reading %s: %w", i, err)
	}

	body := i.body
	if p.Live != nil {
		if p.From, err = r.takenFrom(ctx, i, p.Live); err != nil {
			return p, err
		}

		ignored := r.Ignore.Of(i.Unstructured)
		if i.unchanged() && (ignored.Whole || drift.Exempt(i.Unstructured) || drift.Exempt(p.Live)) {
			return Previewed{}, nil // what differs stays; a manifest that has changed is applied all the same
		}
		if body, err = r.trimmed(i, p.Live, ignored); err != nil {
			return p, err
		}
	}

	i.trial, err = r.patch(ctx, i, body, true)
	if i.shape != nil {
		if known, shapeErr := r.reshaped(ctx, i, err); known || shapeErr != nil {
			return p.foreseen(i), shapeErr
		}
	}

	if would := explained(p.Live, body, err); would != nil {
		i.trial = would
		err = nil
	}

	return r.previewed(p, i, err, namespaces)
}

// previewed says what the answer to the trial of an object means.
func (r *run) previewed(p Previewed, i *item, err error, namespaces sets.Set[string]) (Previewed, error) {
	switch {
	case err == nil:
		p.Would = i.trial
		return p, r.ofHelm(i)
	case apierrors.IsNotFound(err) && namespaces.Has(i.GetNamespace()), apierrors.IsBadRequest(err):
		return p, r.local(i)
	case ssa.IsImmutable(err) && r.recreates(i):
		return p.foreseen(i), nil
	case ssa.IsMismatched(err):
		return p, untyped(i, err)
	default:
		return p, refused(i, err)
	}
}

// foreseen is what would become of an object that the API server takes only once it serves a definition of the set.
func (p Previewed) foreseen(i *item) Previewed {
	if p.Live != nil {
		p.Would = &unstructured.Unstructured{Object: definition.Overlaid(p.Live.Object, i.Object.Object)}
	}
	return p
}

// previewPrune adds what would be deleted.
func (r *run) previewPrune(ctx context.Context, out []Previewed) ([]Previewed, error) {
	for _, g := range r.gone {
		if err := r.find(ctx, g); err != nil {
			return out, err
		}
	}

	r.handOver(ctx)
	if err := r.keepAll(ctx); err != nil {
		return out, err
	}

	for _, g := range r.gone {
		shown := g.there || r.tolerant && g.spared
		if !shown {
			continue
		}

		live, err := g.live(ctx, r.as)
		if err != nil {
			return out, fmt.Errorf("reading %s: %w", g, err)
		}

		switch {
		case g.to != "":
			out = append(out, Previewed{Live: live, Would: live, To: g.to})
		case g.kept.Keep:
			out = append(out, Previewed{Live: live, Would: live, Kept: g.kept.Reason})
		case g.spared:
			out = append(out, Previewed{
				Live: live, Would: live, Kept: "is marked " + v1beta1.PruneAnnotation + ": " + v1beta1.Disabled,
			})
		default:
			out = append(out, Previewed{Live: live, Unsure: g.unsure})
		}
	}

	return out, nil
}
