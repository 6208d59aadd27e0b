package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
func isDeleted(k *v1beta1.Kustomization) {
	k.DeletionTimestamp = &metav1.Time{Time: now}
}

// failing gives a Kustomization a condition that only a change can end.
func failing(k *v1beta1.Kustomization) *v1beta1.Kustomization {
	k.Status.Conditions = []metav1.Condition{{Type: v1beta1.StalledCondition, Status: metav1.ConditionTrue}}
	return k
}

// has gives a Kustomization others among its objects.
func has(others ...*v1beta1.Kustomization) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) {
		k.Status.Inventory = &v1beta1.ResourceInventory{}
		for _, o := range others {
			k.Status.Inventory.Entries = append(k.Status.Inventory.Entries, v1beta1.ResourceRef{ID: IDOf(keyOf(o))})
		}
	}
}

func releases(revision string, ids ...string) func(*v1beta1.Kustomization) {
	return func(k *v1beta1.Kustomization) { k.Status.Released = Release(k, revision, ids, now) }
}

func TestAwaits(t *testing.T) {
	t.Parallel()
	k := following("fleet", "outer", newRevision)
	for _, tt := range []struct {
		name string
		f    Follower
		want bool
		why  string
	}{
		{"itself", Follower{Kustomization: k}, false, "the one that prunes"},
		{"a sibling with the former revision", Follower{Kustomization: following("fleet", "a", oldRevision)},
			true, "same source"},
		{"one of another namespace", Follower{Kustomization: following("tenant", "a", oldRevision)}, true, "same source"},
		{"one that never applied anything", Follower{Kustomization: following("fleet", "a", "")}, true, "same source"},
		{"one that fails", Follower{Kustomization: failing(following("fleet", "a", oldRevision))}, true, "same source"},
		{"one that has applied it", Follower{Kustomization: following("fleet", "a", newRevision)}, false, "has applied"},
		{"one whose spec has changed since", Follower{Kustomization: following("fleet", "a", newRevision,
			func(o *v1beta1.Kustomization) { o.Generation = 2 })}, true, "same source"},
		{"a suspended one", Follower{Kustomization: following("fleet", "a", oldRevision,
			func(o *v1beta1.Kustomization) { o.Spec.Suspend = true })}, false, "suspended"},
		{"one that is being deleted", Follower{Kustomization: following("fleet", "a", oldRevision, isDeleted)},
			false, "being deleted"},
		{"one that goes as well", Follower{Kustomization: following("fleet", "a", oldRevision), Released: true},
			false, "about to be"},
		{"the one that deletes it", Follower{Kustomization: following("fleet", "a", oldRevision), Waits: true},
			false, "waits until"},
		{"one of another cluster", Follower{Kustomization: following("fleet", "a", oldRevision, remote)},
			false, "another cluster"},
		{"another source", Follower{Kustomization: following("fleet", "a", oldRevision, otherSource)},
			false, "another source"},
		{"another source, declared just now", Follower{Declared: true,
			Kustomization: following("fleet", "a", "", otherSource)},
			true, "first time"},
		{"another source, declared long ago", Follower{Declared: true,
			Kustomization: following("fleet", "a", oldRevision, otherSource)},
			false, "first time"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, why := Awaits(k, newRevision, tt.f); got != tt.want || !strings.Contains(why, tt.why) {
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
		{"a deleted owner", taker, following("fleet", "outer", oldRevision, isDeleted), nil, true, "being deleted"},
		{"an owner that is about to be deleted", taker, a,
			following("fleet", "outer", newRevision, releases(newRevision, IDOf(keyOf(a)))),
			true, "about to be deleted"},
		{"another namespace", tenant, released, nil, false, "another namespace"},
		{"another namespace, of a deleted owner", tenant, following("fleet", "outer", oldRevision, isDeleted), nil,
			false, "another namespace"},
		{"another namespace, with the labels of the owner", labelled, released, nil, false, "another namespace"},
		{"another namespace, declared by the owner", tenant,
			following("fleet", "outer", newRevision, releases(newRevision, id), has(tenant)), nil, true, "has released"},
		{"another namespace, declared by whom the owner is declared", tenant, released,
			following("root", "root", newRevision, has(tenant, released)), true, "has released"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, why := Takes(tt.k, tt.from, tt.up, id, newRevision, Related(tt.k, tt.from, tt.up))
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
	if got := HeldUntil(r, 5*time.Minute); !got.Equal(now.Add(4 * time.Minute)) {
		t.Errorf("with an object in it, a namespace is kept until %s", got)
	}
	r.Objects = r.Objects[:1]
	if got := HeldUntil(r, 5*time.Minute); !got.Equal(now.Add(-55 * time.Minute)) {
		t.Errorf("alone, a namespace is kept until %s", got)
	}
	k := &v1beta1.Kustomization{Status: v1beta1.KustomizationStatus{Released: r}}
	again := Release(k, newRevision, []string{namespace.ID}, now)
	if !again.Objects[0].Since.Equal(&namespace.Since) {
		t.Error("a later revision extends how long an object is kept")
	}
}

// What is written into the set of another one, or follows it in the same namespace, is named; those of other namespaces
// are counted.
func TestTakersAreNamedAsFarAsTheOwnerMayKnowThem(t *testing.T) {
	t.Parallel()
	k := following("fleet", "outer", newRevision)
	follower := func(namespace, name, revision string) Follower {
		return Follower{Kustomization: following(namespace, name, revision)}
	}
	declared := Follower{Kustomization: following("tenant", "declared", oldRevision), Declared: true}
	many := []Follower{
		follower("fleet", "d", ""), follower("fleet", "c", ""), follower("fleet", "b", ""), follower("fleet", "a", ""),
	}
	for _, tt := range []struct {
		name      string
		followers []Follower
		unseen    []types.NamespacedName
		want      string
	}{
		{name: "none", want: "[]"},
		{name: "one that has it", followers: []Follower{follower("fleet", "a", newRevision)}, want: "[]"},
		{
			name: "one of its namespace", followers: []Follower{follower("fleet", "a", oldRevision)},
			want: "[Kustomization fleet/a]",
		},
		{name: "one that it declares", followers: []Follower{declared}, want: "[Kustomization tenant/declared]"},
		{
			name: "others", followers: []Follower{follower("tenant", "a", ""), follower("tenant", "b", "")},
			want: "[2 Kustomizations of other namespaces]",
		},
		{
			name: "another", followers: []Follower{follower("tenant", "a", "")},
			want: "[a Kustomization of another namespace]",
		},
		{
			name:   "one that is not in the cache yet",
			unseen: []types.NamespacedName{{Namespace: "tenant", Name: "new"}},
			want:   "[Kustomization tenant/new]",
		},
		{
			name: "many", followers: many,
			want: "[Kustomization fleet/a Kustomization fleet/b Kustomization fleet/c 1 more]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := fmt.Sprint(TakersOf(k, newRevision, tt.followers, tt.unseen)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Each object is kept for others at most for the timeout since it was released first.
func TestHoldEndsWithTheTimeout(t *testing.T) {
	t.Parallel()
	k := following("fleet", "outer", newRevision)
	k.Spec.Timeout = &metav1.Duration{Duration: 5 * time.Minute}
	k.Status.Released = &v1beta1.ReleasedObjects{Objects: []v1beta1.ReleasedObject{
		{ID: "old", Since: metav1.NewTime(now.Add(-5 * time.Minute))},
		{ID: "recent", Since: metav1.NewTime(now.Add(-time.Minute))},
	}}
	if got := fmt.Sprint(Hold(k, []string{"old", "recent", "new"}, now)); got != "[recent new]" {
		t.Errorf("held are %s", got)
	}
}
