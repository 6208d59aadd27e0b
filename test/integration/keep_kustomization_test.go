package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A prune keeps what holds data and continues with the rest. What is kept has no owner, is listed, and leaves the
// list when it has one again.
func TestAPruneKeepsData(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	space := func(name string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + name + "}\n"
	}
	group := ns + ".example.com"
	fleet(t, ns, map[string]string{
		"crd.yaml": thingsDefinition(ns), "data.yaml": claimTemplate,
		"full.yaml": space("-full"), "empty.yaml": space("-empty"),
		"a.yaml": settings("a", "one"), "b.yaml": settings("b", "one"),
		"thing.yaml": "apiVersion: " + group + "/v1\nkind: Thing\nmetadata: {name: ours}\n",
	})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	foreign := &corev1.ConfigMap{ObjectMeta: named(ns+"-full", "foreign")}
	for _, o := range []client.Object{thing(group, ns, "own"), foreign} {
		if err := world.cluster.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	claim, crd := uid(t, data(ns)), uid(t, thingsOf(ns))
	awaitApplied(t, k, commit(t, ns, map[string]string{
		"crd.yaml": "", "thing.yaml": "", "data.yaml": "", "full.yaml": "", "empty.yaml": "", "a.yaml": "",
	}))
	lost := !exists(t, thing(group, ns, "own")) || !exists(t, foreign)
	if lost || uid(t, data(ns)) != claim || uid(t, thingsOf(ns)) != crd {
		t.Error("data of users was deleted")
	}
	if exists(t, thing(group, ns, "ours")) || !holds(t, ns, "a", "") {
		t.Error("what holds no data was not pruned")
	}
	wantKept(t, get(t, k).Status.Kept, map[string]string{
		"CustomResourceDefinition things." + group: "has 1 object: things." + group + " " + ns + "/own",
		"Namespace " + ns + "-full":                "configmaps foreign",
		"PersistentVolumeClaim " + ns + "/data":    "holds data",
	})
	wantKeptEvent(t, ns, "apps", "PersistentVolumeClaim "+ns+"/data")
	full := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-full"}}
	for _, o := range []client.Object{data(ns), full, thingsOf(ns)} {
		wantNoOwner(t, o)
	}
	until(t, "the empty namespace goes", func() bool {
		return !exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-empty"}})
	})

	awaitApplied(t, k, commit(t, ns, map[string]string{"data.yaml": claimTemplate}))
	if kept := get(t, k).Status.Kept; uid(t, data(ns)) != claim || len(kept) != 2 {
		t.Errorf("the claim is not owned again: kept are %+v", kept)
	}
	remove(t, full)
	remove(t, thingsOf(ns))
}

// Who asks for the deletion of kinds has it, with what is in them.
func TestAPruneDeletesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	group := ns + ".example.com"
	fleet(t, ns, map[string]string{
		"crd.yaml": thingsDefinition(ns), "data.yaml": claimTemplate, "a.yaml": settings("a", "one"),
	})
	k := kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) {
		s.PruneKinds = []string{"CustomResourceDefinition", "PersistentVolumeClaim"}
	})
	apply(t, k)
	awaitReady(t, k)
	if err := world.cluster.Client.Create(t.Context(), thing(group, ns, "own")); err != nil {
		t.Fatal(err)
	}
	awaitApplied(t, k, commit(t, ns, map[string]string{"crd.yaml": "", "data.yaml": ""}))
	until(t, "both go", func() bool { return !exists(t, thingsOf(ns)) && !exists(t, data(ns)) })
	wantKept(t, get(t, k).Status.Kept, nil)
}

// A Kustomization that goes leaves its claims, and the namespaces that they are in, unless its deletionPolicy says
// otherwise.
func TestClaimsOfADeletedKustomization(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{"mirror": "", "delete": v1beta1.DeletionPolicyDelete} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stays := policy == ""
			ns := namespace(t)
			in := strings.Replace(claimTemplate, "name: data", "name: data, namespace: "+ns+"-own", 1)
			fleet(t, ns, map[string]string{
				"ns.yaml":   "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-own}\n",
				"data.yaml": in, "a.yaml": settings("a", "one"),
			})
			k := kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) { s.DeletionPolicy = policy })
			apply(t, k)
			awaitReady(t, k)
			remove(t, k)
			until(t, "the Kustomization goes", func() bool { return !exists(t, k) })
			own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-own"}}
			if !stays {
				until(t, "namespace and claim go", func() bool { return !exists(t, own) && !exists(t, data(ns+"-own")) })
				return
			}
			wantNoOwner(t, data(ns+"-own"))
			if get(t, own).DeletionTimestamp != nil || !holds(t, ns, "a", "") {
				t.Error("the namespace of a claim was deleted, or something else was not")
			}
			wantKeptEvent(t, ns, "apps", "PersistentVolumeClaim "+ns+"-own/data")
			remove(t, own)
		})
	}
}
