package attacks

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/hostile"
)

// refusedOwner are the reasons with which a release is refused that belongs to another.
var refusedOwner = []string{v1beta1.AccessDeniedReason, "OwnedByOther"}

// Specs that name the neighbor's Helm release: all of it, and its name and namespace with records of the tenant's own.
const (
	theRelease = "  releaseName: shop\n  targetNamespace: neighbor\n  storageNamespace: neighbor\n"
	itsName    = "  releaseName: shop\n  targetNamespace: neighbor\n  storageNamespace: attacker\n"
)

// mine is a chart whose object is in the tenant's own namespace.
func mine() map[string]string {
	return hostile.Chart("mine", "templates/a.yaml",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: attacker}\ndata: {message: mine}\n")
}

// A HelmRelease that names the Helm release of another does not change, read or judge it, and gets none of its news.
func TestTheNeighborsRelease(t *testing.T) {
	play(t,
		attack{name: "a HelmRelease upgrades the neighbor's release", charts: charts(mine()), spec: theRelease,
			reasons: refusedOwner, absent: showsNothing},
		attack{name: "a deleted HelmRelease uninstalls the neighbor's release", charts: charts(mine()), spec: theRelease,
			act: deleteWeb},
		attack{name: "a HelmRelease adopts the neighbor's release with its own chart", charts: charts(shop),
			spec: theRelease, reasons: refusedOwner, absent: showsNothing},
		attack{name: "a suspended HelmRelease reads the neighbor's history", charts: charts(mine()), spec: theRelease +
			"  suspend: true\n", absent: showsNothing},
		attack{name: "a HelmRelease rolls the neighbor's release back", charts: charts(mine()), spec: theRelease,
			reasons: refusedOwner, absent: showsNothing,
			act: func(t *testing.T, _ *scene) {
				annotate(t, "web", v1beta1.RollbackRequestAnnotation,
					`{"revision": 1, "reason": "mine", "inputDigest": "sha256:`+strings.Repeat("0", 64)+`"}`)
			}},
		attack{name: "a suspended HelmRelease takes the news of drift", charts: charts(mine()), spec: itsName +
			"  suspend: true\n", absent: driftIsCorrected},
		attack{name: "a HelmRelease takes the news of drift", charts: charts(mine()), spec: itsName,
			absent: driftIsCorrected},
		attack{name: "a deleted HelmRelease keeps the news of drift", charts: charts(mine()), spec: itsName, act: deleteWeb,
			absent: driftIsCorrected},
		attack{name: "a HelmRelease judges the neighbor's objects as failed", charts: charts(mine()), absent: upgradeSucceeds,
			spec: itsName + "  healthCheckExprs: [{apiVersion: apps/v1, kind: Deployment, current: 'false', failed: 'true'}]\n"},
		attack{name: "a HelmRelease judges the neighbor's objects as not ready", charts: charts(mine()),
			absent: upgradeSucceeds,
			spec:   itsName + "  healthCheckExprs: [{apiVersion: apps/v1, kind: Deployment, current: 'false'}]\n"},
	)
}

// Two HelmReleases of one namespace that name the same Helm release: the first keeps it.
func TestTheSameReleaseTwice(t *testing.T) {
	other := hostile.Chart("other", "templates/a.yaml", hostile.Config("b"))
	second := helmRelease("web", "other", "  releaseName: shared\n")
	create := func(t *testing.T, s *scene) {
		t.Helper()
		awaitOwnReady(t, "first")
		apply(t, s, second)
	}
	kept := func(t *testing.T, _ *scene) {
		t.Helper()
		if !own(t, &corev1.ConfigMap{}, "a") || own(t, &corev1.ConfigMap{}, "b") {
			t.Error("the objects of the first HelmRelease are gone, or the second has some")
		}
		awaitOwnReady(t, "first")
	}
	first := helmRelease("first", "one", "  releaseName: shared\n")
	both := charts(hostile.Chart("one", "templates/a.yaml", hostile.Config("a")), other)
	play(t,
		attack{name: "a second HelmRelease brings another chart", charts: both, objects: first, act: create,
			reasons: refusedOwner, absent: kept},
		attack{name: "a second HelmRelease is deleted", charts: both, objects: first, absent: kept, act: func(t *testing.T,
			s *scene) {
			create(t, s)
			deleteWeb(t, s)
		}},
	)
}

// showsNothing checks that the status of a release has nothing of another's records.
func showsNothing(t *testing.T, _ *scene) {
	t.Helper()
	for _, hr := range list(t, v1beta1.HelmReleaseKind, attacker) {
		history, _, _ := unstructured.NestedSlice(hr.Object, "status", "history")
		text, err := json.Marshal(hr.Object["status"])
		if err != nil {
			t.Fatal(err)
		}
		if len(history) > 0 || strings.Contains(string(text), world.neighbor.digest) {
			t.Errorf("the status of %s mentions the neighbor's release: %s", hr.GetName(), text)
		}
	}
}

func deleteWeb(t *testing.T, _ *scene) {
	t.Helper()
	hr := &unstructured.Unstructured{}
	hr.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind))
	hr.SetNamespace(attacker)
	hr.SetName("web")
	eventually(t, "the controller has seen HelmRelease web", func() bool {
		return world.cluster.Exists(t, hr) && (conditionOf(hr, v1beta1.ReadyCondition) != nil)
	})
	if err := world.tenant.Client.Delete(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	eventually(t, "HelmRelease web is gone, or says why not", func() bool {
		return !world.cluster.Exists(t, hr) || conditionOf(hr, v1beta1.ReadyCondition)["status"] == "False"
	})
}

// driftIsCorrected edits an object of the neighbor's by hand.
func driftIsCorrected(t *testing.T, s *scene) {
	t.Helper()
	world.neighbor.served(t) // the controller knows the tenant's release by then
	object := &corev1.ConfigMap{ObjectMeta: named("shop")}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"message":"by hand"}}`))
	if err := world.cluster.Client.Patch(t.Context(), object, patch, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the neighbor's drift is corrected", func() bool { return messageOf(t.Context(), "shop") == "runs" })
	if t.Failed() {
		upgradeShop(t, "runs") // puts the object back, for the attacks that follow
		s.before = belongings(t)
	}
}

// upgradeSucceeds upgrades the neighbor's release, and back.
func upgradeSucceeds(t *testing.T, s *scene) {
	t.Helper()
	world.neighbor.served(t)
	upgradeShop(t, "upgraded")
	upgradeShop(t, "runs")
	s.before = belongings(t)
}

func upgradeShop(t *testing.T, message string) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"values":{"message":"`+message+`"}}}`))
	if err := world.cluster.Client.Patch(t.Context(), release("shop"), patch); err != nil {
		t.Fatal(err)
	}
	var last error
	eventually(t, "the neighbor's upgrade is Ready", func() bool {
		hr := release("shop")
		if last = world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(hr), hr); last != nil {
			return false
		}
		ready := conditionOf(hr, v1beta1.ReadyCondition)
		return ready["status"] == "True" && ready["observedGeneration"] == hr.GetGeneration() && messageOf(t.Context(),
			"shop") == message
	})
}

// awaitOwnReady waits until a release of the tenant's is Ready.
func awaitOwnReady(t *testing.T, name string) {
	t.Helper()
	hr := &unstructured.Unstructured{}
	hr.SetGroupVersionKind(v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind))
	hr.SetNamespace(attacker)
	hr.SetName(name)
	eventually(t, name+" is Ready", func() bool {
		return world.cluster.Exists(t, hr) && conditionOf(hr, v1beta1.ReadyCondition)["status"] == "True"
	})
}

// apply creates more objects as the tenant.
func apply(t *testing.T, s *scene, manifests string) {
	t.Helper()
	objects, err := env.ParseObjects(attacker, s.text(manifests))
	if err != nil {
		t.Fatal(err)
	}
	if err := world.tenant.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
}

// annotate sets an annotation of a HelmRelease as the tenant.
func annotate(t *testing.T, name, annotation, value string) {
	t.Helper()
	content, err := json.Marshal(
		map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: value}}})
	if err != nil {
		t.Fatal(err)
	}
	hr := &v1beta1.HelmRelease{}
	hr.Namespace, hr.Name = attacker, name
	if err := world.tenant.Client.Patch(t.Context(), hr, client.RawPatch(types.MergePatchType, content)); err != nil {
		t.Fatal(err)
	}
}
