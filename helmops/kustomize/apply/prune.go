package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/keep"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// pruneCandidate is an object that was applied before and is no longer wanted.
type pruneCandidate struct {
	ref                        v1beta1.ResourceRef
	kind                       schema.GroupVersionKind
	namespace, name            string
	resource                   schema.GroupVersionResource
	uid                        types.UID
	namespaced, there, forGood bool
	done                       bool
	// spared objects leave the set and stay in the cluster, because they say so.
	spared bool
	// kept says whether the object stays, as far as that is known before anything is written.
	kept keep.Verdict
	// confirms is set when the object says that a user has to confirm its deletion, and state tells one state of it from
	// another.
	confirms bool
	state    string
	// version is that of the object when it was looked at; held is set while another Kustomization may take it over.
	version string
	held    bool
	// to is the Kustomization that will take the object over, and unsure who may do so, in a preview.
	to, unsure string
	// finalized objects are waited for, but for those that are themselves waiting until their owner is gone.
	finalized, waitsForUs bool
}

func newRemnant(ref v1beta1.ResourceRef) *pruneCandidate {
	namespace, name, group, kind, _ := ref.Split()
	return &pruneCandidate{
		ref: ref, kind: schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}, namespace: namespace,
		name: name,
	}
}

func (g *pruneCandidate) String() string { return named(g.kind.Kind, g.namespace, g.name) }

func (g *pruneCandidate) client(as *cluster.Identity) dynamic.ResourceInterface {
	if g.namespaced {
		return as.Dynamic().Resource(g.resource).Namespace(g.namespace)
	}
	return as.Dynamic().Resource(g.resource)
}

func (g *pruneCandidate) live(ctx context.Context, as *cluster.Identity) (*unstructured.Unstructured, error) {
	return g.client(as).Get(ctx, g.name, metav1.GetOptions{})
}

// foreign looks at what is to be deleted before anything is written: whether it is still ours, and whether objects of
// others would go with it.
func (r *run) foreign(ctx context.Context) error {
	if !r.Prune {
		for _, g := range r.gone {
			g.done = true // no controller follows it any more
		}
		return nil
	}

	for _, g := range r.gone {
		if err := r.find(ctx, g); err != nil {
			return err
		}
	}

	return r.keepAll(ctx)
}

// seek reads an object that is no longer in the source; nil when it is gone. Objects go with their kind.
func (r *run) seek(ctx context.Context, g *pruneCandidate) (*unstructured.Unstructured, error) {
	mapping, err := r.site.cluster.Mapper().RESTMapping(g.kind.GroupKind(), g.kind.Version)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	g.resource, g.namespaced = mapping.Resource, mapping.Scope.Name() == meta.RESTScopeNameNamespace
	live, err := g.live(ctx, r.as)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s, which is no longer in the source: %w", g, err)
	}

	return live, nil
}

// find looks whether an object is still there, still ours, and may be deleted.
func (r *run) find(ctx context.Context, g *pruneCandidate) error {
	live, err := r.seek(ctx, g)
	if err != nil {
		return err
	}

	if live == nil {
		g.done = true
		return nil
	}

	labels := live.GetLabels()
	switch {
	case ownerOf(live) != r.Owner:
		g.done = true
		r.result.Spared = append(r.result.Spared, g.String()+" (its labels say that it is no longer ours)")
	case labels[v1beta1.PruneAnnotation] == v1beta1.Disabled ||
		live.GetAnnotations()[v1beta1.PruneAnnotation] == v1beta1.Disabled:
		g.done = true
		g.spared = true
		r.result.Spared = append(r.result.Spared, g.String()+" ("+v1beta1.PruneAnnotation+": "+v1beta1.Disabled+")")
	default:
		g.there, g.uid = true, live.GetUID()
		g.version = live.GetResourceVersion()
		g.state = tracker.OwnershipText(tracker.Kustomizations().Reduce(live).Ownership)
		g.confirms = labels[v1beta1.PruneAnnotation] == v1beta1.ConfirmPrune ||
			live.GetAnnotations()[v1beta1.PruneAnnotation] == v1beta1.ConfirmPrune
		kind := g.kind.GroupKind()
		g.forGood = kind == namespaceKind || kind == definitionKind
		g.finalized = g.kind.Group == v1beta1.GroupVersion.Group && len(live.GetFinalizers()) > 0
		g.waitsForUs = kind == kustomizationKind && waitsFor(live, r.Owner)
	}

	return nil
}

// waitsFor reports whether a Kustomization goes only once another is gone: it is that one itself, which a set may
// contain, or it is being deleted and has that one among its objects. An attempt that waited for it would never end.
func waitsFor(live *unstructured.Unstructured, owner types.NamespacedName) bool {
	if live.GetNamespace() == owner.Namespace && live.GetName() == owner.Name {
		return true
	}
	if live.GetDeletionTimestamp() == nil {
		return false
	}

	id := v1beta1.NewResourceRef(owner.Namespace, owner.Name, v1beta1.GroupVersion.Group, v1beta1.KustomizationKind, "").ID
	entries, _, _ := unstructured.NestedSlice(live.Object, "status", "inventory", "entries")
	return slices.ContainsFunc(entries, func(entry any) bool {
		fields, _ := entry.(map[string]any)
		return fields["id"] == id
	})
}

// prune deletes what is no longer wanted, in the reverse order in which it was brought. Objects of this API are waited
// for, because what they need to come to an end goes after them.
func (r *run) prune(ctx context.Context) error {
	for stage := stages - 1; stage >= 0; stage-- {
		var now []*pruneCandidate
		for _, g := range r.gone {
			if g.there && !g.done && !g.held && stageOf(g.kind.GroupKind()) == stage {
				now = append(now, g)
			}
		}

		var failed []error
		for _, g := range now {
			failed = append(failed, r.delete(ctx, g))
		}

		for _, g := range now {
			if g.finalized && !g.waitsForUs && !g.done && ssa.Join(failed) == nil {
				failed = append(failed, r.away(ctx, g))
			}
		}

		if err := ssa.Join(failed); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) delete(ctx context.Context, g *pruneCandidate) error {
	stays, err := r.spare(ctx, g)
	if err != nil || stays {
		return err
	}

	removed, err := r.removeAsSeen(ctx, g)
	if err != nil || !removed {
		return err
	}
	if !g.finalized || g.waitsForUs {
		g.done = true
	}

	r.result.Deleted = append(r.result.Deleted, g.String())
	return nil
}

// away waits until an object is gone.
func (r *run) away(ctx context.Context, g *pruneCandidate) error {
	err := r.waitReleased(func() error {
		return tracker.Follow(ctx, g.client(r.as), g.name, func(o *unstructured.Unstructured) (bool, error) {
			return o == nil || o.GetUID() != g.uid, nil
		})
	})
	if err != nil {
		return fmt.Errorf("waiting until %s is gone: %w", g, err)
	}

	g.done = true
	return nil
}

// occupied fails when a namespace, or a definition, holds objects of others, or when the identity may not see whether
// it does. With soon, what is about to go does not count.
func (r *run) occupied(ctx context.Context, g *pruneCandidate, soon bool) error {
	var kinds []schema.GroupVersionResource
	in := ""
	if g.kind.GroupKind() == definitionKind {
		live, err := g.live(ctx, r.as)
		if err != nil {
			return fmt.Errorf("reading %s: %w", g, err)
		}
		if resource, served := keep.ServedBy(live); served {
			kinds = append(kinds, resource)
		}
	} else {
		in = g.name
		found, err := r.site.cluster.NamespacedResources(ctx)
		if err != nil {
			return fmt.Errorf("asking which kinds there are in %s: %w", g, err)
		}

		kinds = found
	}

	var holds, unseen []string
	for _, resource := range kinds {
		found, err := r.others(ctx, resource, in, soon)
		if apierrors.IsForbidden(err) {
			unseen = append(unseen, resource.GroupResource().String())
			continue
		}
		if err != nil {
			return fmt.Errorf("looking whether %s holds %s of others: %w", g, resource.Resource, err)
		}

		holds = append(holds, found...)
	}

	if len(holds) == 0 && len(unseen) == 0 {
		return nil
	}

	slices.Sort(holds)
	if len(holds) == 0 {
		slices.Sort(unseen)
		return &UnseenError{Object: g.String(), User: r.as.User(), Resources: unseen, Late: !soon}
	}

	return &ForeignError{Object: g.String(), Holds: holds, Late: !soon, First: r.inTheWay}
}

// others names the objects of a resource in a namespace that do not go with what is deleted; a page of them is enough.
func (r *run) others(
	ctx context.Context, resource schema.GroupVersionResource, in string, soon bool,
) ([]string, error) {
	var out []string
	page := metav1.ListOptions{Limit: 500}
	for {
		list, err := r.as.Metadata().Resource(resource).Namespace(in).List(ctx, page)
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}

		for i := range list.Items {
			is, err := r.leftover(ctx, &list.Items[i], resource, soon)
			switch {
			case err != nil:
				return nil, err
			case !is && !r.goes(&list.Items[i], resource, soon):
				out = append(out, resource.Resource+" "+list.Items[i].Name)
				r.isInTheWay(&list.Items[i], resource)
			}
		}

		if page.Continue = list.Continue; page.Continue == "" || len(out) > 0 {
			return out, nil
		}
	}
}

// goes reports whether an object has no other owner: it is ours, follows from another, or is made by the cluster
// itself.
func (r *run) goes(o *metav1.PartialObjectMetadata, resource schema.GroupVersionResource, soon bool) bool {
	owner := ownerOf(o)
	switch {
	case o.DeletionTimestamp != nil, len(o.OwnerReferences) > 0:
		return true
	case o.Labels[v1beta1.PruneAnnotation] == v1beta1.Disabled, o.Annotations[v1beta1.PruneAnnotation] == v1beta1.Disabled:
		return false // it is spared although it is ours, and so is what it is in
	case owner == r.Owner:
		return !r.leaves(o, resource)
	case resource.Resource == "events", resource.Group == "metrics.k8s.io", resource.Resource == "leases":
		return true
	case resource.Resource == "serviceaccounts" && o.Name == "default",
		resource.Resource == "configmaps" && o.Name == "kube-root-ca.crt",
		resource.Resource == "endpoints", resource.Resource == "endpointslices":
		return true
	case soon && r.uninstalls():
		return o.Labels[managedByLabel] == "Helm" ||
			resource.Resource == "secrets" && strings.HasPrefix(o.Name, "sh.helm.release.v1.")
	default:
		return false
	}
}

// uninstalls reports whether a HelmRelease is among what goes.
func (r *run) uninstalls() bool {
	return slices.ContainsFunc(r.gone, func(g *pruneCandidate) bool {
		return g.there &&
			g.kind.GroupKind() == schema.GroupKind{Group: v1beta1.GroupVersion.Group, Kind: v1beta1.HelmReleaseKind}
	})
}

// Departure is how the objects of a Kustomization that is gone are deleted.
type Departure struct {
	Owner   types.NamespacedName
	Objects []v1beta1.ResourceRef
	// PruneKinds are as in a Set.
	PruneKinds []string
	// Wait waits until the objects are gone.
	Wait bool
}

// Delete deletes the objects of a Kustomization that is gone. The result has the inventory of what is left.
func (e *Engine) Delete(ctx context.Context, access cluster.Access, d Departure) Result {
	at, as, err := e.sites.Get(access) //nolint:contextcheck // a site outlives who asks for it first
	if err != nil {
		return Result{Err: err}
	}

	share, err := e.take(ctx, access, fair.Ordinary)
	if err != nil {
		return Result{Err: err, Inventory: d.Objects}
	}

	defer share.Close()
	set := Set{Owner: d.Owner, Prune: true, PruneKinds: d.PruneKinds}
	r := &run{Set: set, departs: true, engine: e, site: at, as: as, share: share}
	for _, ref := range d.Objects {
		r.gone = append(r.gone, newRemnant(ref))
	}
	if r.result.Err = r.foreign(ctx); r.result.Err != nil {
		return r.result
	}

	for _, g := range r.gone {
		g.finalized = g.finalized || d.Wait
	}

	r.result.Err = r.prune(ctx)
	r.result.Inventory = r.inventory()
	if r.result.Err == nil {
		at.forget(d.Owner)
	}

	return r.result
}

// Forget ends what is kept of a Kustomization whose objects stay.
func (e *Engine) Forget(owner types.NamespacedName) {
	for _, at := range e.sites.All() {
		at.forget(owner)
	}
}
