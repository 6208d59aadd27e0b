package kustomization

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// local is a source as it is on the disk: the objects of each path, and what cannot be built.
type local struct {
	cluster []*v1beta1.Kustomization
	paths   map[string][]apply.Object
	broken  string
	// built are the Kustomizations that were built, listed is how often those of the cluster were asked for.
	built  []string
	listed int
}

func (l *local) others() Others {
	return Others{
		List: func(context.Context) (out []v1beta1.Kustomization, _ error) {
			l.listed++
			for _, k := range l.cluster {
				out = append(out, *k)
			}
			return out, nil
		},
		Build: func(_ context.Context, k *v1beta1.Kustomization) ([]apply.Object, error) {
			l.built = append(l.built, k.Name)
			if k.Spec.Path == l.broken {
				return nil, errors.New("it is not YAML")
			}
			return l.paths[k.Spec.Path], nil
		},
	}
}

// foresight is that for one Kustomization of the cluster.
func (l *local) foresight(k *v1beta1.Kustomization) *HandoverPreview {
	return NewForesight(k, l.paths[k.Spec.Path], l.others())
}

func at(path string, changes ...func(*v1beta1.Kustomization)) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Spec.Path, k.Spec.Prune = path, true
		for _, change := range changes {
			change(k)
		}
	}
}

// applied gives a Kustomization objects of the cluster.
func applied(ids ...string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		if k.Status.Inventory == nil {
			k.Status.Inventory = &v1beta1.ResourceInventory{}
		}
		for _, id := range ids {
			k.Status.Inventory.Entries = append(k.Status.Inventory.Entries, v1beta1.ResourceRef{ID: id, Version: "v1"})
		}
	}
}

func object(kind, namespace, name string) apply.Object {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion("v1")
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return apply.Object{Unstructured: o}
}

// declaring is the manifest of a Kustomization of the source "fleet".
func declaring(name, path string) apply.Object {
	o := object(v1beta1.KustomizationKind, "", name)
	o.SetAPIVersion(v1beta1.GroupVersion.String())
	o.Object["spec"] = map[string]any{
		"path": path, "prune": true,
		"sourceRef": map[string]any{"kind": v1beta1.GitRepositoryKind, "name": "fleet", "namespace": "fleet"},
	}
	return o
}

// declaredBy labels a Kustomization as one that another declares.
func declaredBy(name string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Labels = map[string]string{
			v1beta1.KustomizationNameLabel: name, v1beta1.KustomizationNamespaceLabel: "fleet",
		}
	}
}

func suspended(k *v1beta1.Kustomization) { k.Spec.Suspend = true }

func unpruned(k *v1beta1.Kustomization) { k.Spec.Prune = false }

const (
	movedID = "fleet_moved__ConfigMap"
	outerID = "fleet_outer_fairlead.dev_Kustomization"
	firstID = "fleet_first_fairlead.dev_Kustomization"
)

// What the local files move is foretold as the controller would do it.
func TestWhoTakesAnObjectOver(t *testing.T) {
	t.Parallel()
	moved, other := object("ConfigMap", "", "moved"), object("ConfigMap", "fleet", "other")
	for _, tt := range []struct {
		name   string
		others []*v1beta1.Kustomization
		paths  map[string][]apply.Object
		want   string
		unsure string
	}{
		{name: "a sibling", others: list(following("fleet", "a", oldRevision, at("a"))),
			paths: map[string][]apply.Object{"a": {moved}}, want: "a"},
		{name: "a sibling that does not have it", others: list(following("fleet", "a", oldRevision, at("a"))),
			paths: map[string][]apply.Object{"a": {other}}},
		{name: "one that the files declare", paths: map[string][]apply.Object{
			"outer": {declaring("inner", "inner")}, "inner": {moved}}, want: "inner"},
		{name: "one that a sibling declares", others: list(following("fleet", "a", oldRevision, at("a"))),
			paths: map[string][]apply.Object{"a": {declaring("b", "b")}, "b": {moved}}, want: "b"},
		{name: "one whose path the files change", others: list(following("fleet", "a", oldRevision, at("a"))),
			paths: map[string][]apply.Object{"outer": {declaring("a", "b")}, "b": {moved}}, want: "a"},
		{name: "one that is suspended",
			others: list(following("fleet", "a", oldRevision, at("a", suspended))),
			paths:  map[string][]apply.Object{"a": {moved}}},
		{name: "one that is being deleted",
			others: list(following("fleet", "a", oldRevision, at("a", deleted))),
			paths:  map[string][]apply.Object{"a": {moved}}},
		{name: "one of a namespace that has nothing to do with it",
			others: list(following("tenant", "a", oldRevision, at("a"))),
			paths:  map[string][]apply.Object{"a": {object("ConfigMap", "fleet", "moved")}}},
		{name: "one of another namespace that the files declare", paths: map[string][]apply.Object{
			"outer": {inNamespace("tenant", declaring("inner", "inner"))},
			"inner": {object("ConfigMap", "fleet", "moved")}}, want: "inner"},
		{name: "one on another cluster",
			others: list(following("fleet", "a", oldRevision, at("a", remote))),
			paths:  map[string][]apply.Object{"a": {moved}}},
		{name: "one of another source",
			others: list(following("fleet", "a", oldRevision, at("a", otherSource))),
			paths:  map[string][]apply.Object{"a": {moved}}},
		{name: "one that the files no longer declare", others: []*v1beta1.Kustomization{
			following("fleet", "root", oldRevision, at("root", applied("fleet_a_fairlead.dev_Kustomization"))),
			following("fleet", "a", oldRevision, at("a"), declaredBy("root"))},
			paths: map[string][]apply.Object{"a": {moved}}},
		{name: "one that cannot be built",
			others: list(following("fleet", "a", oldRevision, at("broken"))),
			unsure: "Kustomization fleet/a (it is not YAML)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			outer := following("fleet", "outer", oldRevision, at("outer", applied(movedID)))
			l := &local{cluster: append(tt.others, outer), paths: tt.paths, broken: "broken"}
			to, unsure := l.foresight(outer).HandsTo(t.Context(), movedID)
			if to.Name != tt.want || !strings.Contains(unsure, tt.unsure) || (unsure == "") != (tt.unsure == "") {
				t.Errorf("it goes to %q, unsure %q; want %q, %q", to, unsure, tt.want, tt.unsure)
			}
		})
	}
}

// An object of another Kustomization is taken over when that one no longer has it in the local files.
func TestFromWhomAnObjectIsTaken(t *testing.T) {
	t.Parallel()
	moved := object("ConfigMap", "", "moved")
	outer := types.NamespacedName{Namespace: "fleet", Name: "outer"}
	for _, tt := range []struct {
		name  string
		owner []func(*v1beta1.Kustomization)
		root  []func(*v1beta1.Kustomization)
		paths map[string][]apply.Object
		want  bool
	}{
		{name: "the owner drops it", paths: map[string][]apply.Object{"outer": nil}, want: true},
		{name: "the owner keeps it", paths: map[string][]apply.Object{"outer": {moved}}},
		{name: "the owner does not prune", owner: []func(*v1beta1.Kustomization){unpruned}},
		{name: "the owner is suspended", owner: []func(*v1beta1.Kustomization){suspended}},
		{name: "the owner is being deleted", owner: []func(*v1beta1.Kustomization){deleted},
			paths: map[string][]apply.Object{"outer": {moved}}, want: true},
		{name: "the owner follows another source", owner: []func(*v1beta1.Kustomization){otherSource}},
		{name: "the owner cannot be built", owner: []func(*v1beta1.Kustomization){at("broken")}},
		{name: "the owner is no longer declared", root: []func(*v1beta1.Kustomization){applied(outerID)},
			paths: map[string][]apply.Object{"outer": {moved}, "root": nil}, want: true},
		{name: "the owner is still declared", root: []func(*v1beta1.Kustomization){applied(outerID)},
			paths: map[string][]apply.Object{"outer": {moved}, "root": {declaring("outer", "outer")}}},
		{name: "the one that declares the owner does not prune",
			root:  []func(*v1beta1.Kustomization){applied(outerID), unpruned},
			paths: map[string][]apply.Object{"outer": {moved}, "root": nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			root := following("fleet", "root", oldRevision, append([]func(*v1beta1.Kustomization){at("root")}, tt.root...)...)
			is := append([]func(*v1beta1.Kustomization){at("outer", applied(movedID), declaredBy("root"))}, tt.owner...)
			owner := following("fleet", "outer", oldRevision, is...)
			next := following("fleet", "next", oldRevision, at("next"))
			paths := map[string][]apply.Object{"next": {moved}}
			for path, objects := range tt.paths {
				paths[path] = objects
			}
			l := &local{cluster: []*v1beta1.Kustomization{root, owner, next}, paths: paths, broken: "broken"}
			if got := l.foresight(next).Takes(t.Context(), outer, movedID); got != tt.want {
				t.Errorf("takes it: %t, want %t", got, tt.want)
			}
		})
	}
}

// What a Kustomization has that the set itself prunes is taken over, as the controller does.
func TestWhatThePrunedOneHasIsTaken(t *testing.T) {
	t.Parallel()
	first := following("fleet", "first", oldRevision, at("app", applied(movedID)), declaredBy("root"), otherSource)
	root := following("fleet", "root", oldRevision, at("root", applied(firstID)))
	moved := object("ConfigMap", "fleet", "moved")
	l := &local{
		cluster: list(root, first), paths: map[string][]apply.Object{"root": {moved}, "app": {moved}},
	}
	if !l.foresight(root).Takes(t.Context(), client.ObjectKeyFromObject(first), movedID) {
		t.Error("it is not taken")
	}
}

// Every Kustomization is built once at most, however many objects move.
func TestForesightBuildsOnce(t *testing.T) {
	t.Parallel()
	outer := following("fleet", "outer", oldRevision, at("outer", applied(movedID, "fleet_more__ConfigMap")))
	l := &local{cluster: []*v1beta1.Kustomization{outer, following("fleet", "a", oldRevision, at("a"))}}
	f := l.foresight(outer)
	if l.listed != 0 {
		t.Error("the cluster is asked although no object moves")
	}
	for _, id := range []string{movedID, "fleet_more__ConfigMap"} {
		f.HandsTo(t.Context(), id)
		f.Takes(t.Context(), types.NamespacedName{Namespace: "fleet", Name: "a"}, id)
	}
	if l.listed != 1 || len(l.built) != 1 {
		t.Errorf("listed %d times, built %q", l.listed, l.built)
	}
}

func list(ks ...*v1beta1.Kustomization) []*v1beta1.Kustomization { return ks }

func inNamespace(namespace string, o apply.Object) apply.Object {
	o.SetNamespace(namespace)
	return o
}
