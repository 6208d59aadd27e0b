package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

// declared is the manifest of a Kustomization on the repository of the test.
func declared(name, path, more string) string {
	return fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: %s}\n"+
		"spec: {sourceRef: {kind: GitRepository, name: fleet}, path: %s, prune: true, retryInterval: 2s%s}\n",
		name, path, more)
}

func configUID(t *testing.T, ns, name string) types.UID {
	t.Helper()
	return get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}).UID
}

// awaitOwner waits until an object has another owner, and asserts that it is still the same object.
func awaitOwner(t *testing.T, ns, name, owner string, was types.UID) {
	t.Helper()
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	until(t, name+" belongs to "+owner, func() bool {
		return exists(t, config) && config.Labels[v1beta1.KustomizationNameLabel] == owner
	})
	if config.UID != was {
		t.Errorf("%s was deleted and created again", name)
	}
}

// An object that moves from a Kustomization to one that its set declares stays the same object, also when the
// inner one waits for the outer one.
func TestAnObjectMovesInward(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{
		"outer/other.yaml": settings("other", "one"), "outer/moved.yaml": settings("moved", "one"),
	})
	outer, inner := kustomization(ns, "outer", "outer"), kustomization(ns, "inner", "inner")
	apply(t, outer)
	awaitReady(t, outer)
	was := configUID(t, ns, "moved")
	sha := commit(t, ns, map[string]string{
		"outer/moved.yaml": "", "inner/moved.yaml": settings("moved", "two"),
		"outer/inner.yaml": declared("inner", "inner", ", dependsOn: [{name: outer}]"),
	})
	awaitApplied(t, outer, sha)
	awaitApplied(t, inner, sha)
	awaitOwner(t, ns, "moved", "inner", was)
	until(t, "the outer one has let it go", func() bool {
		k := get(t, outer)
		return k.Status.Released == nil && len(k.Status.Inventory.Entries) == 2
	})
	if configUID(t, ns, "moved") != was || !holds(t, ns, "moved", "two") {
		t.Error("the object is not what the inner one has applied")
	}
}

// Siblings exchange objects at one revision: whichever is reconciled first, nothing is deleted.
func TestSiblingsExchangeObjects(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"one/a.yaml": settings("a", "one"), "one/keep.yaml": settings("keep-one", "one"),
		"two/b.yaml": settings("b", "two"), "two/keep.yaml": settings("keep-two", "two")})
	one, two := kustomization(ns, "one", "one"), kustomization(ns, "two", "two")
	apply(t, one, two)
	awaitReady(t, one)
	awaitReady(t, two)
	a, b := configUID(t, ns, "a"), configUID(t, ns, "b")
	sha := commit(t, ns, map[string]string{"one/a.yaml": "", "two/a.yaml": settings("a", "two"),
		"two/b.yaml": "", "one/b.yaml": settings("b", "one")})
	awaitOwner(t, ns, "a", "two", a)
	awaitOwner(t, ns, "b", "one", b)
	awaitApplied(t, one, sha)
	awaitApplied(t, two, sha)
	sha = commit(t, ns, map[string]string{"two/a.yaml": "", "one/a.yaml": settings("a", "back")})
	awaitOwner(t, ns, "a", "one", a)
	awaitApplied(t, one, sha)
	awaitApplied(t, two, sha)
}

// A Kustomization that is renamed hands its objects over, whether its owner declares it by another name.
func TestARenamedKustomizationKeepsItsObjects(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"root/app.yaml": declared("first", "app", ""), "app/a.yaml": settings("a", "one")})
	root := kustomization(ns, "root", "root")
	first, second := kustomization(ns, "first", "app"), kustomization(ns, "second", "app")
	apply(t, root)
	awaitReady(t, root)
	awaitReady(t, first)
	was := configUID(t, ns, "a")
	sha := commit(t, ns, map[string]string{"root/app.yaml": declared("second", "app", ", dependsOn: [{name: root}]")})
	awaitApplied(t, root, sha)
	awaitOwner(t, ns, "a", "second", was)
	until(t, "the former one is gone", func() bool { return !exists(t, first) })
	awaitApplied(t, second, sha)
	if configUID(t, ns, "a") != was {
		t.Error("the object was deleted and created again when the former owner went")
	}
}

// A failing Kustomization of the same source holds up what others prune, by name, and not longer than their
// timeout. What it wants stays when it succeeds before, also when the controller is killed in between.
func TestPruningWaitsForAFailingOne(t *testing.T) {
	ns := namespace(t)
	fleet(t, ns, map[string]string{
		"one/a.yaml": settings("a", "one"), "one/b.yaml": settings("b", "one"), "two/c.yaml": settings("c", "two"),
	})
	short := func(s *v1beta1.KustomizationSpec) { s.Timeout = &metav1.Duration{Duration: 20 * time.Second} }
	one, two := kustomization(ns, "one", "one"), kustomization(ns, "two", "two")
	apply(t, one, two)
	awaitReady(t, one)
	awaitReady(t, two)
	was := configUID(t, ns, "a")
	broken := "apiVersion: v1\nkind: Nothing\nmetadata: {name: broken}\n"
	sha := commit(t, ns, map[string]string{
		"one/a.yaml": "", "two/a.yaml": settings("a", "two"), "two/broken.yaml": broken,
	})
	world.cluster.AwaitReadiness(t, one, "it names whom it waits for", func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionTrue && strings.HasSuffix(one.Status.LastAppliedRevision, sha) &&
			strings.Contains(ready.Message, "Kustomization "+ns+"/two")
	})
	awaitNotReady(t, two, v1beta1.KindUnknownReason)
	restart(t)
	if configUID(t, ns, "a") != was {
		t.Fatal("the object was deleted while it could be taken over")
	}
	commit(t, ns, map[string]string{"two/broken.yaml": ""})
	awaitOwner(t, ns, "a", "two", was)

	apply(t, kustomization(ns, "one", "one", short))
	sha = commit(t, ns, map[string]string{
		"one/b.yaml": "", "one/d.yaml": settings("d", "one"), "two/broken.yaml": broken,
	})
	awaitApplied(t, one, sha)
	until(t, "the object is deleted although the other one still fails", func() bool { return holds(t, ns, "b", "") })
	if is := condition(t, two, v1beta1.ReadyCondition); is.Status == metav1.ConditionTrue {
		t.Error("the other one does not fail")
	}
}

// A Kustomization of another namespace that follows the same source does not get what was not released to it.
func TestATenantCannotTakeWhatIsReleased(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	tenant := ns + "-tenant"
	apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}})
	moved := strings.Replace(settings("a", "theirs"), "name: a", "name: a, namespace: "+ns, 1)
	fleet(t, ns, map[string]string{
		"one/a.yaml": settings("a", "one"), "one/b.yaml": settings("b", "one"), "two/c.yaml": settings("c", "two"),
	})
	one := kustomization(ns, "one", "one", func(s *v1beta1.KustomizationSpec) {
		s.Timeout = &metav1.Duration{Duration: 20 * time.Second}
	})
	theirs := kustomization(tenant, "thief", "two", func(s *v1beta1.KustomizationSpec) { s.SourceRef.Namespace = ns })
	theirs.Labels = map[string]string{v1beta1.KustomizationNameLabel: "one", v1beta1.KustomizationNamespaceLabel: ns}
	apply(t, one, theirs)
	awaitReady(t, one)
	awaitReady(t, theirs)
	was := configUID(t, ns, "a")
	sha := commit(t, ns, map[string]string{"one/a.yaml": "", "two/a.yaml": moved})
	awaitApplied(t, one, sha)
	ready := awaitNotReady(t, theirs, v1beta1.OwnershipConflictReason)
	if strings.Contains(ready.Message, ns+"/one") {
		t.Errorf("the message names a Kustomization of another namespace: %s", ready.Message)
	}
	until(t, "the object is released", func() bool { return get(t, one).Status.Released != nil })
	until(t, "the owner has deleted it", func() bool {
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "a"}}
		if exists(t, config) && config.UID == was && config.Data["value"] != "one" {
			t.Fatal("it was taken")
		}
		return get(t, one).Status.Released == nil
	})
}

// A Kustomization that is deleted beside one that declares the same objects hands them over: they are never gone. Its
// deletion waits for a Kustomization of the source that fails, until that one is deleted or suspended.
func TestADeletionHandsOver(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(t *testing.T, bad *v1beta1.Kustomization){
		"deleted": func(t *testing.T, bad *v1beta1.Kustomization) { t.Helper(); remove(t, bad) },
		"suspended": func(t *testing.T, bad *v1beta1.Kustomization) {
			t.Helper()
			bad.Spec.Suspend = true
			apply(t, bad)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			fleet(t, ns, map[string]string{
				"app/a.yaml": settings("a", "one"), "bad/c.yaml": "a: [",
			})
			hour := func(s *v1beta1.KustomizationSpec) { s.Timeout = &metav1.Duration{Duration: time.Hour} }
			first, bad := kustomization(ns, "first", "app", hour), kustomization(ns, "bad", "bad")
			apply(t, first, bad)
			awaitReady(t, first)
			awaitNotReady(t, bad, v1beta1.BuildFailedReason)
			was := configUID(t, ns, "a")
			second := kustomization(ns, "second", "app")
			apply(t, second)
			remove(t, first)
			awaitOwner(t, ns, "a", "second", was)
			awaitReady(t, second)
			if !exists(t, first) {
				t.Error("the deletion did not wait for the Kustomization that fails")
			}
			release(t, bad)
			until(t, "the first is gone", func() bool { return !exists(t, first) })
			if configUID(t, ns, "a") != was || !holds(t, ns, "a", "one") {
				t.Error("the object is not what it was")
			}
		})
	}
}

// An object that leaves a Kustomization without being deleted can have another owner, without a label removed by hand.
func TestWhatIsNotPrunedIsFree(t *testing.T) {
	t.Parallel()
	disabled := "name: a, annotations: {" + v1beta1.PruneAnnotation + ": disabled}"
	spare := strings.Replace(settings("a", "one"), "name: a", disabled, 1)
	for name, is := range map[string]struct {
		manifest string
		prune    bool
	}{
		"unpruned": {settings("a", "one"), false},
		"spared":   {spare, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			fleet(t, ns, map[string]string{"one/a.yaml": is.manifest, "one/keep.yaml": settings("keep-one", "one"),
				"two/keep.yaml": settings("keep-two", "two")})
			prunes := func(s *v1beta1.KustomizationSpec) { s.Prune = is.prune }
			one, two := kustomization(ns, "one", "one", prunes), kustomization(ns, "two", "two", prunes)
			apply(t, one, two)
			awaitReady(t, one)
			awaitReady(t, two)
			was := configUID(t, ns, "a")
			sha := commit(t, ns, map[string]string{"one/a.yaml": ""})
			awaitApplied(t, one, sha)
			a := get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "a"}})
			if a.UID != was || len(a.Labels) > 0 {
				t.Errorf("it was created again, or still has labels: %v", a.Labels)
			}
			awaitApplied(t, two, commit(t, ns, map[string]string{"two/a.yaml": is.manifest}))
			awaitOwner(t, ns, "a", "two", was)

			sha = commit(t, ns, map[string]string{"two/a.yaml": "", "one/a.yaml": is.manifest})
			awaitApplied(t, one, sha) // in one commit as well, whichever comes first
			awaitApplied(t, two, sha)
			awaitOwner(t, ns, "a", "one", was)
		})
	}
}
