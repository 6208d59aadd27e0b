package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// encryptedFile is a test file that was encrypted with SOPS, or a key for it.
func encryptedFile(t *testing.T, name string) string {
	t.Helper()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, "helmops", "kustomize", "sops", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// What is encrypted is never applied as it is: not without keys, not with wrong ones. With the right one it is.
func TestEncryptedFilesNeedTheirKey(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one"), "db.yaml": encryptedFile(t, "secret.yaml")})
	db := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "db"}}
	nothing := func(why string) {
		t.Helper()
		if exists(t, db) || !holds(t, ns, "a", "") {
			t.Errorf("%s: something was applied", why)
		}
	}
	k := kustomization(ns, "apps", "")
	apply(t, k)
	if ready := awaitNotReady(t, k, v1beta1.DecryptionFailedReason); !strings.Contains(ready.Message, "db.yaml") ||
		!strings.Contains(ready.Message, "spec.decryption") {
		t.Errorf("the message does not say which file is encrypted, and what is missing: %s", ready.Message)
	}
	nothing("without decryption")

	withKeys := func(s *v1beta1.KustomizationSpec) {
		s.Decryption = &v1beta1.Decryption{Provider: "sops", SecretRef: &v1beta1.LocalObjectReference{Name: "keys"}}
	}
	k = kustomization(ns, "apps", "", withKeys)
	apply(t, k)
	if ready := awaitNotReady(t, k, v1beta1.DecryptionFailedReason); !strings.Contains(ready.Message,
		"Secret "+ns+"/keys") {
		t.Errorf("the message does not name the Secret that is missing: %s", ready.Message)
	}
	nothing("without the Secret")

	keys := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "keys"},
		StringData: map[string]string{"other.agekey": encryptedFile(t, "other.agekey")},
	}
	apply(t, keys)
	world.cluster.AwaitReadiness(t, k, "the key is told to be the wrong one", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.DecryptionFailedReason && strings.Contains(ready.Message, "db.yaml") &&
			!strings.Contains(ready.Message, "AGE-SECRET")
	})
	nothing("with a wrong key")

	apply(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "keys"},
		StringData: map[string]string{"age.agekey": encryptedFile(t, "key.agekey")},
	})
	awaitReady(t, k)
	if got := string(get(t, db).Data["password"]); got != "correct horse" {
		t.Errorf("the Secret has %q", got)
	}
	for _, c := range get(t, k).Status.Conditions {
		if strings.Contains(c.Message, "correct horse") {
			t.Errorf("condition %s shows a secret: %s", c.Type, c.Message)
		}
	}
}

// A Kustomization whose set contains it goes when it is deleted, and its objects with it.
func TestAKustomizationThatContainsItselfCanGo(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	manifest := "apiVersion: fairlead.dev/v1beta1\nkind: Kustomization\nmetadata: {name: %s}\nspec: {sourceRef: {kind: GitRepository, name: fleet}, path: %s, prune: true, retryInterval: 2s}\n"
	declared := func(name, path string) string {
		return strings.Replace(strings.Replace(manifest, "%s", name, 1), "%s", path, 1)
	}
	fleet(t, ns, map[string]string{
		"root/self.yaml": declared("root", "root"), "root/other.yaml": declared("other", "other"),
		"root/a.yaml":     settings("a", "one"),
		"other/back.yaml": settings("b", "one"),
	})
	root, other := kustomization(ns, "root", "root"), kustomization(ns, "other", "other")
	apply(t, root)
	awaitReady(t, root)
	awaitReady(t, other)
	remove(t, root)
	until(t, "both are gone", func() bool { return !exists(t, root) && !exists(t, other) })
	if !holds(t, ns, "a", "") || !holds(t, ns, "b", "") {
		t.Error("their objects were not deleted")
	}
}

// Two Kustomizations on one source keep their order with each revision: that the first is ready with the former one is
// not enough.
func TestOrderHoldsForEveryRevision(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"infra/a.yaml": settings("a", "one"), "apps/b.yaml": settings("b", "one")})
	infra := kustomization(ns, "infra", "infra")
	apps := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) {
		s.DependsOn = []v1beta1.DependencyReference{{Name: "infra"}}
	})
	apply(t, infra, apps)
	awaitReady(t, infra)
	awaitReady(t, apps)

	written := func(name string) uint64 {
		version, err := strconv.ParseUint(
			get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}).ResourceVersion, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	for n := range 5 {
		value := fmt.Sprint("round ", n)
		sha := commit(t, ns, map[string]string{"infra/a.yaml": settings("a", value), "apps/b.yaml": settings("b", value)})
		awaitApplied(t, apps, sha)
		if !holds(t, ns, "a", value) || !holds(t, ns, "b", value) {
			t.Fatalf("%s is not applied", value)
		}
		if written("a") > written("b") {
			t.Errorf("%s: what depends on it was applied before", value)
		}
	}

	apply(t, kustomization(ns, "infra", "infra", func(s *v1beta1.KustomizationSpec) { s.Suspend = true }))
	sha := commit(t, ns, map[string]string{"infra/a.yaml": settings("a", "last"), "apps/b.yaml": settings("b", "last")})
	world.cluster.AwaitReadiness(t, apps, "it waits for what it depends on", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.DependencyNotReadyReason && strings.Contains(ready.Message, "infra (suspended)")
	})
	if !holds(t, ns, "b", "round 4") {
		t.Error("it was applied before what it depends on")
	}
	apply(t, kustomization(ns, "infra", "infra"))
	awaitApplied(t, apps, sha)
}

// A field that cannot be changed is refused, unless force allows to delete the object and recreate it.
func TestForceCreatesAnew(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	web := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: one}}\n" +
		"  template:\n    metadata: {labels: {app: one}}\n    spec: {containers: [{name: web, image: example.com/web}]}\n"
	fleet(t, ns, map[string]string{"web.yaml": web, "a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	before := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}).UID
	sha := commit(t, ns,
		map[string]string{"web.yaml": strings.ReplaceAll(web, "app: one", "app: two"), "a.yaml": settings("a", "two")})
	ready := awaitNotReady(t, k, v1beta1.ValidationFailedReason)
	if !strings.Contains(ready.Message, "spec.selector") || !strings.Contains(ready.Message, "spec.force") {
		t.Errorf("the message does not say what is refused, and what would help: %s", ready.Message)
	}
	if !holds(t, ns, "a", "one") {
		t.Error("something was applied although an object is refused")
	}
	apply(t, kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) { s.Force = true }))
	awaitApplied(t, k, sha)
	deployment := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	if deployment.UID == before || deployment.Spec.Selector.MatchLabels["app"] != "two" || !holds(t, ns, "a", "two") {
		t.Errorf("the Deployment was not recreated: %v", deployment.Spec.Selector)
	}
}

// A request to force counts once: what is refused next is refused again.
func TestARequestForcesOnce(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	job := func(image string) map[string]string {
		return map[string]string{"job.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec:\n  template:\n" +
			"    spec: {restartPolicy: Never, containers: [{name: a, image: example.com/" + image + "}]}\n"}
	}
	fleet(t, ns, job("one"))
	k := kustomization(ns, "apps", "")
	apply(t, k)
	key := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "once"}}
	until(t, "the Job is applied", func() bool { return exists(t, key) })
	before := get(t, key).UID
	sha := commit(t, ns, job("two"))
	awaitNotReady(t, k, v1beta1.ValidationFailedReason)
	mustRun(t, "fairlead", "reconcile", "kustomization", "apps", "-n", ns, "--force")
	awaitApplied(t, k, sha)
	if after := get(t, key).UID; after == before {
		t.Error("the Job was not recreated")
	}
	if get(t, k).Status.LastHandledForceAt == "" {
		t.Error("the request to force is not recorded as handled")
	}
	commit(t, ns, job("three"))
	awaitNotReady(t, k, v1beta1.ValidationFailedReason)
}

// Objects of a Helm release have an owner too.
func TestObjectsOfAHelmReleaseAreNotTaken(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	push(t, world.registry, ns, "sample", "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", `{"message":"of the chart"}`)
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns), hr)
	awaitReady(t, hr)
	taken := get(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	fleet(t, ns, map[string]string{
		"plain.yaml": settings(taken.Name, "of Git"), "b.yaml": settings("b", "one"),
	})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	says := func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.OwnershipConflictReason &&
			strings.Contains(ready.Message, "the Helm release "+ns+"/web") &&
			strings.Contains(ready.Message, "ConfigMap "+ns+"/"+taken.Name)
	}
	world.cluster.AwaitReadiness(t, k, "the release is named", says)
	// One that was exported from the release looks like Helm's, and is refused as well.
	sha := commit(t, ns,
		map[string]string{"plain.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + taken.Name +
			"\n  labels: {app.kubernetes.io/managed-by: Helm}\n  annotations: {meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: " + ns + "}\ndata: {value: of Git}\n"})
	world.cluster.AwaitReadiness(t, k, "the release is named", func(ready metav1.Condition) bool {
		return says(ready) && strings.HasSuffix(get(t, k).Status.LastAttemptedRevision, sha)
	})
	if now := get(t, taken); now.ResourceVersion != taken.ResourceVersion || !holds(t, ns, "b", "") {
		t.Error("an object of the release was changed, or others were applied")
	}
}

// A cycle that closes only with the last of three Kustomizations is named by all of them, and it ends with a change of
// one.
func TestEveryEndNamesTheCycle(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns,
		map[string]string{"a/a.yaml": settings("a", "1"), "b/b.yaml": settings("b", "1"), "c/c.yaml": settings("c", "1")})
	dependingOn := func(name, on string) *v1beta1.Kustomization {
		return kustomization(ns, name, name, func(s *v1beta1.KustomizationSpec) {
			s.DependsOn = []v1beta1.DependencyReference{{Name: on}}
		})
	}
	all := []*v1beta1.Kustomization{dependingOn("a", "b"), dependingOn("b", "c"), dependingOn("c", "a")}
	apply(t, all[0])
	if ready := awaitNotReady(t, all[0], v1beta1.DependencyNotReadyReason); !strings.Contains(ready.Message,
		"b (not found)") {
		t.Errorf("the message does not name what is missing: %s", ready.Message)
	}
	apply(t, all[1], all[2])
	for _, k := range all {
		until(t, k.Name+" names the cycle", func() bool {
			stalled := condition(t, k, v1beta1.StalledCondition)
			return stalled.Reason == v1beta1.DependencyCycleReason && strings.Contains(stalled.Message, ns+"/c → ")
		})
	}
	apply(t, kustomization(ns, "c", "c"))
	for _, k := range all {
		awaitReady(t, k)
	}
}
