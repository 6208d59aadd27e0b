package kustomization

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

const newRevision, oldRevision = "main@sha1:2", "main@sha1:1"

// following returns a Kustomization that has applied a revision of the source "fleet" of namespace fleet.
func following(namespace, name, revision string, changes ...func(*v1beta1.Kustomization)) *v1beta1.Kustomization {
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1}}
	k.Spec.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet", Namespace: "fleet"}
	k.Status.LastAppliedRevision, k.Status.ObservedGeneration = revision, 1
	for _, change := range changes {
		change(k)
	}
	return k
}

func otherSource(k *v1beta1.Kustomization) { k.Spec.SourceRef.Name = "other" }
func remote(k *v1beta1.Kustomization)      { k.Spec.KubeConfig = &v1beta1.KubeConfigReference{} }
func deleted(k *v1beta1.Kustomization) {
	k.DeletionTimestamp = &metav1.Time{Time: now}
}

// has gives a Kustomization others among its objects.
func has(others ...*v1beta1.Kustomization) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Status.Inventory = &v1beta1.ResourceInventory{}
		for _, o := range others {
			k.Status.Inventory.Entries = append(k.Status.Inventory.Entries, v1beta1.ResourceRef{ID: idOf(o)})
		}
	}
}

func releases(revision string, ids ...string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) { k.Status.Released = releasedBy(k, revision, ids, now) }
}

func TestAwaits(t *testing.T) {
	t.Parallel()
	k := following("fleet", "outer", newRevision)
	for _, tt := range []struct {
		name string
		f    follower
		want bool
		why  string
	}{
		{"itself", follower{Kustomization: k}, false, "the one that prunes"},
		{"a sibling with the former revision", follower{Kustomization: following("fleet", "a", oldRevision)},
			true, "same source"},
		{"one of another namespace", follower{Kustomization: following("tenant", "a", oldRevision)}, true, "same source"},
		{"one that never applied anything", follower{Kustomization: following("fleet", "a", "")}, true, "same source"},
		{"one that fails", follower{Kustomization: stalled(following("fleet", "a", oldRevision))}, true, "same source"},
		{"one that has applied it", follower{Kustomization: following("fleet", "a", newRevision)}, false, "has applied"},
		{"one whose spec has changed since", follower{Kustomization: following("fleet", "a", newRevision,
			func(o *v1beta1.Kustomization) { o.Generation = 2 })}, true, "same source"},
		{"a suspended one", follower{Kustomization: following("fleet", "a", oldRevision,
			func(o *v1beta1.Kustomization) { o.Spec.Suspend = true })}, false, "suspended"},
		{"one that is being deleted", follower{Kustomization: following("fleet", "a", oldRevision, deleted)},
			false, "being deleted"},
		{"one that goes as well", follower{Kustomization: following("fleet", "a", oldRevision), released: true},
			false, "about to be"},
		{"the one that deletes it", follower{Kustomization: following("fleet", "a", oldRevision), waits: true},
			false, "waits until"},
		{"one of another cluster", follower{Kustomization: following("fleet", "a", oldRevision, remote)},
			false, "another cluster"},
		{"another source", follower{Kustomization: following("fleet", "a", oldRevision, otherSource)},
			false, "another source"},
		{"another source, declared just now", follower{declared: true,
			Kustomization: following("fleet", "a", "", otherSource)},
			true, "first time"},
		{"another source, declared long ago", follower{declared: true,
			Kustomization: following("fleet", "a", oldRevision, otherSource)},
			false, "first time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, why := awaits(k, newRevision, tt.f); got != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("got %v, %q; want %v, %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestTakes(t *testing.T) {
	t.Parallel()
	const id = "apps_data__PersistentVolumeClaim"
	taker := following("fleet", "inner", oldRevision)
	tenant := following("tenant", "thief", oldRevision)
	labelled := following("tenant", "thief", oldRevision, func(o *v1beta1.Kustomization) {
		o.Labels = map[string]string{v1beta1.KustomizationNamespaceLabel: "fleet", v1beta1.KustomizationNameLabel: "outer"}
	})
	a := following("fleet", "a", oldRevision)
	released := following("fleet", "outer", newRevision, releases(newRevision, id))
	for _, tt := range []struct {
		name        string
		k, from, up *v1beta1.Kustomization
		want        bool
		why         string
	}{
		{"what was not released", taker, following("fleet", "outer", newRevision), nil, false, "not released"},
		{"what was released", taker, released, nil, true, "has released"},
		{"what was released at another revision", taker,
			following("fleet", "outer", newRevision, releases(oldRevision, id)), nil,
			false, "not released"},
		{"another object", taker, following("fleet", "outer", newRevision, releases(newRevision, "other")), nil,
			false, "not released"},
		{"another source", following("fleet", "inner", oldRevision, otherSource), released, nil, false, "another source"},
		{"another cluster", following("fleet", "inner", oldRevision, remote), released, nil, false, "another cluster"},
		{"a deleted owner", taker, following("fleet", "outer", oldRevision, deleted), nil, true, "being deleted"},
		{"an owner that is about to be deleted", taker, a,
			following("fleet", "outer", newRevision, releases(newRevision, idOf(a))),
			true, "about to be deleted"},
		{"another namespace", tenant, released, nil, false, "another namespace"},
		{"another namespace, of a deleted owner", tenant, following("fleet", "outer", oldRevision, deleted), nil,
			false, "another namespace"},
		{"another namespace, with the labels of the owner", labelled, released, nil, false, "another namespace"},
		{"another namespace, declared by the owner", tenant,
			following("fleet", "outer", newRevision, releases(newRevision, id), has(tenant)), nil, true, "has released"},
		{"another namespace, declared by whom the owner is declared", tenant, released,
			following("root", "root", newRevision, has(tenant, released)), true, "has released"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, why := takes(tt.k, tt.from, tt.up, id, newRevision, related(tt.k, tt.from, tt.up))
			if got != tt.want || !strings.Contains(why, tt.why) {
				t.Errorf("got %v, %q; want %v, %q", got, why, tt.want, tt.why)
			}
		})
	}
}

func TestHeldUntil(t *testing.T) {
	t.Parallel()
	object := func(id string, ago time.Duration) v1beta1.ReleasedObject {
		return v1beta1.ReleasedObject{ID: id, Since: metav1.NewTime(now.Add(-ago))}
	}
	namespace := object("_apps__Namespace", time.Hour)
	config := object("apps_a__ConfigMap", time.Minute)
	r := &v1beta1.ReleasedObjects{Objects: []v1beta1.ReleasedObject{namespace, config}}
	if got := heldUntil(r, 5*time.Minute); !got.Equal(now.Add(4 * time.Minute)) {
		t.Errorf("with an object in it, a namespace is kept until %s", got)
	}
	r.Objects = r.Objects[:1]
	if got := heldUntil(r, 5*time.Minute); !got.Equal(now.Add(-55 * time.Minute)) {
		t.Errorf("alone, a namespace is kept until %s", got)
	}
	k := &v1beta1.Kustomization{Status: v1beta1.KustomizationStatus{Released: r}}
	again := releasedBy(k, newRevision, []string{namespace.ID}, now)
	if !again.Objects[0].Since.Equal(&namespace.Since) {
		t.Error("a later revision extends how long an object is kept")
	}
}
