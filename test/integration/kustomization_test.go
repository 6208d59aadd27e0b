package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// fleet makes a repository of the test's own with the given files, and declares it.
func fleet(t *testing.T, ns string, files map[string]string) {
	t.Helper()
	url, err := world.git.Create(ns)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, ns, files)
	apply(t, &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"},
		Spec: v1beta1.GitRepositorySpec{
			URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: often,
		},
	})
}

// kustomization declares that the cluster follows a directory of the repository.
func kustomization(ns, name, path string, change ...func(*v1beta1.KustomizationSpec)) *v1beta1.Kustomization {
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1beta1.KustomizationSpec{
		SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"}, Path: path, Prune: true,
		RetryInterval: &metav1.Duration{Duration: 2 * time.Second},
	}}
	for _, c := range change {
		c(&k.Spec)
	}
	return k
}

// settings is the manifest of a ConfigMap.
func settings(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {value: %q}\n", name, value)
}

// holds reports whether a ConfigMap has a value; an empty one that it does not exist.
func holds(t *testing.T, ns, name, value string) bool {
	t.Helper()
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	if !exists(t, config) {
		return value == ""
	}
	return value != "" && config.Data["value"] == value
}

// awaitApplied waits until a Kustomization is Ready with a commit.
func awaitApplied(t *testing.T, k *v1beta1.Kustomization, sha string) {
	t.Helper()
	world.cluster.AwaitReadiness(t, k, "it has applied "+sha, func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionTrue && strings.HasSuffix(k.Status.LastAppliedRevision, sha)
	})
}

// What is pushed is applied, an edit changes it, a revert restores it, and what is removed is deleted.
func TestTheClusterFollowsGit(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"apps/a.yaml": settings("a", "one"), "apps/b.yaml": settings("b", "one")})
	k := kustomization(ns, "apps", "apps")
	apply(t, k)
	awaitReady(t, k)
	if !holds(t, ns, "a", "one") || !holds(t, ns, "b", "one") {
		t.Fatal("it is Ready, but the objects are not there")
	}
	awaitApplied(t, k, commit(t, ns, map[string]string{"apps/a.yaml": settings("a", "two")}))
	if !holds(t, ns, "a", "two") {
		t.Error("the edit was not applied")
	}
	awaitApplied(t, k, commit(t, ns, map[string]string{"apps/a.yaml": settings("a", "one")}))
	if !holds(t, ns, "a", "one") {
		t.Error("the revert was not applied")
	}
	awaitApplied(t, k, commit(t, ns, map[string]string{"apps/b.yaml": ""}))
	if !holds(t, ns, "b", "") || !holds(t, ns, "a", "one") {
		t.Error("what was removed is not deleted, or more than that")
	}
	if got := len(k.Status.Inventory.Entries); got != 1 {
		t.Errorf("the inventory has %d entries", got)
	}
	remove(t, k)
	until(t, "the Kustomization is gone", func() bool { return !exists(t, k) })
	if !holds(t, ns, "a", "") {
		t.Error("its objects were not deleted")
	}
}

// The controller reverts changes and deletions of objects by hand.
func TestObjectsOfAKustomizationAreRepaired(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns,
		map[string]string{
			"a.yaml": settings("a", "one"),
			"b.yaml": strings.Replace(settings("b", "one"), "name: b", "name: b, annotations: {fairlead.dev/drift: ignore}", 1),
		})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	until(t, "health is reported", func() bool {
		return condition(t, k, v1beta1.HealthyCondition).Status == metav1.ConditionTrue
	})
	for _, name := range []string{"a", "b"} {
		edited := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"value":"by hand"}}`))
		if err := world.cluster.Client.Patch(t.Context(), edited, patch, client.FieldOwner("kubectl-edit")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the edit is undone", func() bool { return holds(t, ns, "a", "one") })
	until(t, "it is told what was corrected", func() bool {
		is := condition(t, k, v1beta1.DriftedCondition)
		return is.Status == metav1.ConditionFalse &&
			strings.Contains(is.Message, "ConfigMap "+ns+"/a (.data.value changed by kubectl-edit)")
	})
	if !holds(t, ns, "b", "by hand") {
		t.Error("an object was corrected that is left out of drift detection")
	}
	remove(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "a"}})
	until(t, "what was deleted is there again", func() bool { return holds(t, ns, "a", "one") })
}

// Everything of a set is proven before the first object is written, also where the namespace and the kind come with it.
func TestNothingIsAppliedWhenOneManifestIsWrong(t *testing.T) {
	t.Parallel()
	widgets := func(ns string) string {
		return strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.$NS.example.com}
spec:
  group: $NS.example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
`, "$NS", ns)
	}
	widget := func(ns, spec string) string {
		return fmt.Sprintf("apiVersion: %s.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: %s-new}\nspec: %s\n",
			ns, ns, spec)
	}
	for name, test := range map[string]struct {
		files  func(ns string) map[string]string
		reason string
		want   []string
	}{
		"syntax": {func(string) map[string]string {
			return map[string]string{"bad.yaml": "kind: [\n"}
		}, v1beta1.BuildFailedReason, []string{"bad.yaml, line", "it is not YAML"}},
		"field": {func(string) map[string]string {
			return map[string]string{
				"bad.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {replicas: many}\n",
			}
		}, v1beta1.ValidationFailedReason, []string{"Deployment", "bad.yaml", "the API server would refuse 1 of 2 objects"}},
		"unknown-field": {func(string) map[string]string {
			return map[string]string{"bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {prots: []}\n"}
		}, v1beta1.ValidationFailedReason, []string{"bad.yaml", "prots"}},
		"kind": {func(string) map[string]string {
			return map[string]string{"bad.yaml": "apiVersion: nobody.example.com/v1\nkind: Gadget\nmetadata: {name: bad}\n"}
		}, v1beta1.KindUnknownReason, []string{"the cluster does not know the kind Gadget"}},
		"namespace": {func(string) map[string]string {
			return map[string]string{
				"bad.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, namespace: nobody-made-this}\n",
			}
		}, v1beta1.ValidationFailedReason, []string{`namespaces "nobody-made-this" not found`}},
		"in-a-new-namespace": {func(ns string) map[string]string {
			return map[string]string{"ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-new}\n",
				"bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: " + ns + "-new}\nspec: {prots: []}\n"}
		}, v1beta1.ValidationFailedReason, []string{"bad.yaml", "prots"}},
		"of-a-new-kind": {func(ns string) map[string]string {
			return map[string]string{
				"ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-new}\n", "crd.yaml": widgets(ns),
				"bad.yaml": widget(ns, "{size: big, color: red}"),
			}
		}, v1beta1.ValidationFailedReason,
			[]string{
				"bad.yaml", "spec.size: Invalid value", "must be of type integer",
				"spec.color: Forbidden: the kind has no such field",
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			files := test.files(ns)
			files["good.yaml"] = settings("good", "one")
			fleet(t, ns, files)
			k := kustomization(ns, "apps", "")
			apply(t, k)
			ready := awaitNotReady(t, k, test.reason)
			for _, want := range test.want {
				if !strings.Contains(ready.Message, want) {
					t.Errorf("the message lacks %q: %s", want, ready.Message)
				}
			}
			if !holds(t, ns, "good", "") {
				t.Error("an object was applied although another is wrong")
			}
			if exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-new"}}) {
				t.Error("a namespace was applied although an object is wrong")
			}
		})
	}
}

// A set may bring its own kinds and namespaces. A kind that is missing is waited for.
func TestKindsComeWithTheSetOrLater(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	definition := strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.$NS.example.com}
spec:
  group: $NS.example.com
  names: {kind: Gear, plural: gears}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {teeth: {type: integer}}}}}}}]
`, "$NS", ns)
	gear := func(name string) string {
		return fmt.Sprintf(
			"apiVersion: %s.example.com/v1\nkind: Gear\nmetadata: {name: %s, namespace: %s-gears}\nspec: {teeth: 12}\n", ns,
			name, ns)
	}
	fleet(t, ns, map[string]string{
		"late/gear.yaml": strings.ReplaceAll(gear("late"), ns+"-gears", ns),
		"all/crd.yaml":   definition, "all/gear.yaml": gear("own"),
		"all/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + ns + "-gears}\n",
	})
	slow := func(s *v1beta1.KustomizationSpec) { s.RetryInterval = &metav1.Duration{Duration: time.Hour} }
	late, all := kustomization(ns, "late", "late", slow), kustomization(ns, "all", "all")
	apply(t, late)
	awaitNotReady(t, late, v1beta1.KindUnknownReason)
	apply(t, all)
	awaitReady(t, all)
	awaitReady(t, late) // although its next attempt is an hour away

	// A namespace in which others have something stays, without an owner, and the rest goes.
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns + "-gears", Name: "foreign"}}
	apply(t, foreign)
	sha := commit(t, ns, map[string]string{"all/ns.yaml": "", "all/gear.yaml": ""})
	awaitApplied(t, all, sha)
	own := &unstructured.Unstructured{
		Object: map[string]any{
			"apiVersion": ns + ".example.com/v1", "kind": "Gear",
			"metadata": map[string]any{"namespace": ns + "-gears", "name": "own"},
		},
	}
	if exists(t, own) || !exists(t, foreign) {
		t.Error("an object that holds nothing was kept, or one of another client's was deleted")
	}
	wantKept(t, get(t, all).Status.Kept, map[string]string{"Namespace " + ns + "-gears": "configmaps foreign"})
	remove(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-gears"}})
}

// An object has one owner, and an empty directory deletes nothing by mistake.
func TestWhatIsNotDeletedOrTaken(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{
		"one/a.yaml": settings("a", "one"), "two/a.yaml": settings("a", "two"), "two/b.yaml": settings("b", "two"),
		"three/c.yaml": strings.Replace(settings("c", "three"), "name: c",
			"name: c, annotations: {fairlead.dev/prune: disabled}", 1), "three/d.yaml": settings("d", "three"),
	})
	one, two, three := kustomization(ns, "one", "one"), kustomization(ns, "two", "two"), kustomization(ns, "three",
		"three")
	apply(t, one, three)
	awaitReady(t, one)
	awaitReady(t, three)
	apply(t, two)
	ready := awaitNotReady(t, two, v1beta1.OwnershipConflictReason)
	if !strings.Contains(ready.Message, "Kustomization "+ns+"/one") ||
		!strings.Contains(ready.Message, "ConfigMap "+ns+"/a") {
		t.Errorf("the message does not name object and owner: %s", ready.Message)
	}
	if !holds(t, ns, "b", "") || !holds(t, ns, "a", "one") {
		t.Error("something was applied although an object belongs to another client")
	}
	commit(t, ns, map[string]string{"two/a.yaml": ""})
	awaitReady(t, two)

	commit(t, ns, map[string]string{"one/a.yaml": "", "one/README": "empty"})
	awaitNotReady(t, one, v1beta1.NothingToApplyReason)
	if !holds(t, ns, "a", "one") {
		t.Error("an emptied directory deleted its object")
	}
	one.Spec.AllowEmpty = true
	apply(t, kustomization(ns, "one", "one", func(s *v1beta1.KustomizationSpec) { s.AllowEmpty = true }))
	until(t, "the object is deleted once that is allowed", func() bool { return holds(t, ns, "a", "") })

	sha := commit(t, ns, map[string]string{"three/c.yaml": ""})
	awaitApplied(t, three, sha)
	if !holds(t, ns, "c", "three") {
		t.Error("an object was deleted that must not be")
	}
}

// Waits, dependencies and variables.
func TestOrderAndVariables(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	deployment := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: ${replicas}\n  selector: {matchLabels: {app: web}}\n" +
		"  template:\n    metadata: {labels: {app: web}, annotations: {sim.fairlead.dev/ready: \"false\"}}\n    spec: {containers: [{name: web, image: example.com/web}]}\n"
	fleet(t, ns, map[string]string{"infra/web.yaml": deployment, "apps/a.yaml": settings("a", "${word}, ${secret}")})
	apply(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "vars"},
		StringData: map[string]string{"secret": "hunter2-hunter2"},
	})
	infra := kustomization(ns, "infra", "infra", func(s *v1beta1.KustomizationSpec) {
		s.Wait = true
		s.PostBuild = &v1beta1.PostBuild{Substitute: map[string]string{"replicas": "1"}}
	})
	apps := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) {
		s.DependsOn = []v1beta1.DependencyReference{{Name: "infra"}}
		s.PostBuild = &v1beta1.PostBuild{
			Substitute:     map[string]string{"word": "hello"},
			SubstituteFrom: []v1beta1.SubstituteReference{{Kind: "Secret", Name: "vars"}},
		}
	})
	apply(t, apps, infra)
	until(t, "the Deployment is waited for", func() bool {
		ready := condition(t, infra, v1beta1.ReadyCondition)
		return ready.Status == metav1.ConditionUnknown && strings.Contains(ready.Message, "waiting for Deployment "+ns+"/web")
	})
	awaitNotReady(t, apps, v1beta1.DependencyNotReadyReason)
	if !holds(t, ns, "a", "") {
		t.Error("what depends on it was applied before it is ready")
	}
	web := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	if web.Spec.Replicas == nil || *web.Spec.Replicas != 1 {
		t.Errorf("replicas %v", web.Spec.Replicas)
	}
	commit(t, ns, map[string]string{"infra/web.yaml": strings.Replace(deployment, "\"false\"", "\"true\"", 1)})
	awaitReady(t, infra)
	awaitReady(t, apps)
	if !holds(t, ns, "a", "hello, hunter2-hunter2") {
		t.Error("the variables were not substituted")
	}
}

// A tenant's ServiceAccount bounds what its Kustomization can do.
func TestATenantDoesWhatItMay(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one")})
	apply(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tenant"}},
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tenant"}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{""}, Resources: []string{"configmaps"},
			Verbs: []string{"get", "list", "watch", "create", "patch", "delete"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tenant"},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "tenant"}}})
	k := kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) { s.ServiceAccountName = "tenant" })
	apply(t, k)
	awaitReady(t, k)
	commit(t, ns,
		map[string]string{
			"a.yaml": settings("a", "two"),
			"role.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: " + ns +
				"}\nrules: [{apiGroups: [\"*\"], resources: [\"*\"], verbs: [\"*\"]}]\n",
		})
	ready := awaitNotReady(t, k, v1beta1.AccessDeniedReason)
	if !strings.Contains(ready.Message, "system:serviceaccount:"+ns+":tenant") ||
		!strings.Contains(ready.Message, "clusterroles") {
		t.Errorf("the message does not say who may not do what: %s", ready.Message)
	}
	if !holds(t, ns, "a", "one") {
		t.Error("an object was applied although another may not be")
	}
}
