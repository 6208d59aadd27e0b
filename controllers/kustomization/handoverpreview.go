package kustomization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// foreseen stands for the revision that the local files will be. No Kustomization has applied it.
const foreseen = "the local files"

// errOtherSource says why the objects of a Kustomization are not known.
var errOtherSource = errors.New("it follows another source")

// Others is what a HandoverPreview asks for. It is asked only when an object leaves the set or belongs to another
// Kustomization.
type Others struct {
	// List returns the Kustomizations of the cluster.
	List func(ctx context.Context) ([]v1beta1.Kustomization, error)
	// Build makes the objects of a Kustomization from the local files. The error holds no secret.
	Build func(ctx context.Context, k *v1beta1.Kustomization) ([]apply.Object, error)
}

// HandoverPreview foretells which objects change hands once all Kustomizations of a source have applied the local
// files. It implements apply.HandoverPreview with the rules that the controller follows. It is for one preview.
type HandoverPreview struct {
	others Others

	mu    sync.Mutex
	own   *prospect
	live  map[types.NamespacedName]*v1beta1.Kustomization
	known map[types.NamespacedName]*prospect
	// sight is why the Kustomizations of the cluster are not known.
	sight error
}

// prospect is a Kustomization as it will be when it has applied the local files.
type prospect struct {
	// k has the spec of the files. Its inventory has the Kustomizations of the files too, and what it will release is
	// released.
	k       *v1beta1.Kustomization
	objects []apply.Object
	// gone is set when its owner no longer declares it; err says why its objects are not known.
	gone bool
	err  error
}

// NewForesight returns the foresight for a Kustomization whose files make the objects.
func NewForesight(k *v1beta1.Kustomization, objects []apply.Object, others Others) *HandoverPreview {
	f := &HandoverPreview{others: others, known: map[types.NamespacedName]*prospect{}}
	f.own = newProspect(k, objects)
	f.known[client.ObjectKeyFromObject(k)] = f.own
	return f
}

func newProspect(k *v1beta1.Kustomization, objects []apply.Object) *prospect {
	p := &prospect{k: k.DeepCopy(), objects: objects}
	var gone []string
	for _, ref := range inventoryOf(k) {
		if !p.has(ref.ID) {
			gone = append(gone, ref.ID)
		}
	}

	released := p.k.Status.Released
	if k.Spec.Prune {
		released = plan.Release(k, foreseen, gone, k.CreationTimestamp.Time)
	}

	keys := p.declared()
	declared := make([]v1beta1.ResourceRef, 0, len(keys))
	for _, key := range keys {
		declared = append(declared, v1beta1.ResourceRef{ID: plan.IDOf(key)})
	}

	status.KustomizationPreviewed(p.k, released, declared)
	return p
}

// has reports whether the files have an object. In an ID, a kind without a namespace has none; an object without one
// is otherwise put into that of its Kustomization.
func (p *prospect) has(id string) bool {
	namespace, name, group, kind, ok := v1beta1.ResourceRef{ID: id}.Split()
	return ok && slices.ContainsFunc(p.objects, func(o apply.Object) bool {
		gvk := o.GroupVersionKind()
		in := o.GetNamespace()
		if in == "" {
			in = p.k.Namespace
		}
		return o.GetName() == name && gvk.Group == group && gvk.Kind == kind && (namespace == "" || namespace == in)
	})
}

// declared are the Kustomizations in the files that act on the same cluster as the one that declares them.
func (p *prospect) declared() []types.NamespacedName {
	var out []types.NamespacedName
	if p.k.Spec.KubeConfig != nil {
		return nil
	}

	for _, o := range p.objects {
		if isKustomization(o) {
			out = append(out, p.keyOf(o))
		}
	}

	return out
}

func isKustomization(o apply.Object) bool {
	return o.GroupVersionKind().GroupKind() == v1beta1.GroupVersion.WithKind(v1beta1.KustomizationKind).GroupKind()
}

func (p *prospect) keyOf(o apply.Object) types.NamespacedName {
	key := client.ObjectKeyFromObject(o.Unstructured)
	if key.Namespace == "" {
		key.Namespace = p.k.Namespace
	}
	return key
}

// declaration returns a Kustomization as the files declare it; nil when they do not.
func (p *prospect) declaration(key types.NamespacedName) (*v1beta1.Kustomization, error) {
	for _, o := range p.objects {
		if !isKustomization(o) || p.keyOf(o) != key {
			continue
		}

		k := &v1beta1.Kustomization{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, k); err != nil {
			return nil, fmt.Errorf("reading Kustomization %s: %w", key, err)
		}

		k.Namespace = key.Namespace
		return k, nil
	}
	return nil, nil //nolint:nilnil // that there is none is no error
}

// Takes implements apply.HandoverPreview.
func (f *HandoverPreview) Takes(ctx context.Context, owner types.NamespacedName, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look(ctx)
	from := f.of(ctx, owner)
	if from == nil {
		return false
	}
	if f.own.k.Spec.Prune && plan.Contains(f.own.k, owner) && !f.own.has(plan.IDOf(owner)) {
		return true // the set prunes the owner
	}

	return f.mayTake(ctx, f.own, from, id)
}

// mayTake asks the rule of the controller.
func (f *HandoverPreview) mayTake(ctx context.Context, by, from *prospect, id string) bool {
	var up *v1beta1.Kustomization
	if above := f.of(ctx, ownerOf(from.k)); above != nil && plan.Declares(above.k, from.k) {
		up = above.k
	}
	yes, _ := plan.Takes(by.k, from.k, up, id, foreseen, plan.Related(by.k, from.k, up))
	return yes
}

// HandsTo implements apply.HandoverPreview.
func (f *HandoverPreview) HandsTo(ctx context.Context, id string) (to types.NamespacedName, unsure string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look(ctx)
	var unknown []string
	if f.sight != nil {
		unknown = append(unknown, f.sight.Error())
	}

	queue := f.candidates()
	seen := map[types.NamespacedName]bool{}
	for len(queue) > 0 {
		key := queue[0]
		queue = queue[1:]
		p := f.of(ctx, key)
		if seen[key] || p == nil {
			continue
		}

		seen[key] = true
		declared := slices.Contains(f.own.declared(), key)
		follows, _ := plan.Awaits(f.own.k, foreseen, plan.Follower{
			Kustomization: p.k, Declared: declared, Released: f.releases(key),
		})
		switch {
		case !follows || p.gone:
		case p.err != nil:
			unknown = append(unknown, fmt.Sprintf("Kustomization %s (%s)", key, p.err))
		case p.has(id) && f.mayTake(ctx, p, f.own, id):
			return key, ""
		default:
			queue = append(queue, p.declared()...)
		}
	}

	return types.NamespacedName{}, unsureOf(unknown)
}

// unsureOf says who may take an object over without that being known.
func unsureOf(unknown []string) string {
	if len(unknown) == 0 {
		return ""
	}
	more := ""
	if left := len(unknown) - plan.MaxNamed; left > 0 {
		more = fmt.Sprintf(" and %d more", left)
	}
	named := strings.Join(unknown[:min(len(unknown), plan.MaxNamed)], ", ")
	return "unless it is taken over; not known of " + named + more
}

// releases reports whether the set will prune a Kustomization.
func (f *HandoverPreview) releases(key types.NamespacedName) bool {
	return f.own.k.Status.Released.Has(plan.IDOf(key), foreseen)
}

// candidates are whom an object may go to, those first that the set declares, then those of its namespace.
func (f *HandoverPreview) candidates() []types.NamespacedName {
	out := f.own.declared()
	var own, rest []types.NamespacedName
	for key := range f.live {
		if key.Namespace == f.own.k.Namespace {
			own = append(own, key)
		} else {
			rest = append(rest, key)
		}
	}

	byName := func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(own, byName)
	slices.SortFunc(rest, byName)
	return slices.Concat(out, own, rest)
}

// look finds out once which Kustomizations there are.
func (f *HandoverPreview) look(ctx context.Context) {
	if f.live != nil {
		return
	}

	f.live = map[types.NamespacedName]*v1beta1.Kustomization{}
	list, err := f.others.List(ctx)
	if err != nil {
		f.sight = fmt.Errorf("other Kustomizations (%w)", err)
	}

	for i := range list {
		f.live[client.ObjectKeyFromObject(&list[i])] = &list[i]
	}
}

// of returns a Kustomization as it will be; nil when there is none, neither in the cluster nor in the files that
// were built so far.
func (f *HandoverPreview) of(ctx context.Context, key types.NamespacedName) *prospect {
	if p, is := f.known[key]; is {
		return p
	}

	f.known[key] = nil // two that declare each other
	k, gone, err := f.spec(ctx, key)
	switch {
	case k == nil && err == nil:
		delete(f.known, key) // it may be declared by one that is built later
		return nil
	case k == nil:
		k = &v1beta1.Kustomization{}
		k.Namespace = key.Namespace
		k.Name = key.Name
	}

	f.known[key] = f.prospect(ctx, k, gone, err)
	return f.known[key]
}

func (f *HandoverPreview) prospect(ctx context.Context, k *v1beta1.Kustomization, gone bool, err error) *prospect {
	switch {
	case err != nil:
	case gone, k.Spec.Suspend, k.DeletionTimestamp != nil: // it applies nothing any more
		return &prospect{k: k, gone: gone}
	case !plan.SameSource(k, f.own.k):
		err = errOtherSource
	default:
		var objects []apply.Object
		if objects, err = f.others.Build(ctx, k); err == nil {
			return newProspect(k, objects)
		}
	}
	return &prospect{k: k, err: err}
}

// spec returns a Kustomization with the spec that it will have, and whether its owner will have pruned it.
func (f *HandoverPreview) spec(
	ctx context.Context, key types.NamespacedName,
) (k *v1beta1.Kustomization, gone bool, err error) {
	live := f.live[key]
	above := f.above(ctx, key)
	if above != nil {
		k, err = above.declaration(key)
	}

	switch {
	case err != nil:
		return live, false, err
	case k != nil && live != nil:
		merged := live.DeepCopy()
		merged.Spec = k.Spec
		return merged, false, nil
	case k != nil || live == nil:
		return k, false, nil
	}

	return live, above != nil && above.k.Status.Released.Has(plan.IDOf(key), foreseen), nil
}

// above is who declares a Kustomization: by the files where one of them does, else by the inventory of its owner.
func (f *HandoverPreview) above(ctx context.Context, key types.NamespacedName) *prospect {
	id := plan.IDOf(key)
	if live := f.live[key]; live != nil {
		up := f.of(ctx, ownerOf(live))
		if up != nil && up.err == nil && plan.Contains(up.k, key) {
			return up
		}
	}

	if f.own.has(id) {
		return f.own
	}

	for _, p := range f.known {
		if p != nil && p.has(id) {
			return p
		}
	}

	return nil
}
