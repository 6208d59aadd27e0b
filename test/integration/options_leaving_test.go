package integration

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Records that an uninstall keeps are what the next install continues from.
func TestKeepHistory(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", "")
	hr.Spec.Uninstall = &v1beta1.Uninstall{KeepHistory: true}
	apply(t, hr)
	awaitReady(t, hr)
	removed(t, hr.DeepCopy())
	wantRevisions(t, hr, "1:uninstalled")
	if exists(t, &appsv1.Deployment{ObjectMeta: named(ns, "web")}) {
		t.Error("the Deployment is still there")
	}
	again := release(ns, "web", "optional", "1.0.0", "charts", "")
	apply(t, again)
	awaitReady(t, again)
	if latest := again.Status.Latest(); latest.Version != 2 || latest.Action != "install" {
		t.Errorf("installed again it is %+v, want revision 2", latest)
	}
	if !exists(t, recordOf(ns, "web.v1")) {
		t.Error("the record that was kept is gone")
	}
}

// With orphan propagation an uninstall takes the Deployment and leaves its pods running.
func TestOrphanPropagation(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", "")
	hr.Spec.Uninstall = &v1beta1.Uninstall{DeletionPropagation: "orphan"}
	apply(t, hr)
	awaitReady(t, hr)
	removed(t, hr)
	if exists(t, &appsv1.Deployment{ObjectMeta: named(ns, "web")}) || exists(t, recordOf(ns, "web.v1")) {
		t.Error("the Deployment or the record is still there")
	}
	sets, pods := &appsv1.ReplicaSetList{}, &corev1.PodList{}
	for _, list := range []client.ObjectList{sets, pods} {
		if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns),
			client.MatchingLabels{"app": "web"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(sets.Items) != 1 || len(sets.Items[0].OwnerReferences) != 0 || sets.Items[0].DeletionTimestamp != nil {
		t.Errorf("the ReplicaSets are %v, want one that nobody owns", sets.Items)
	}
	if len(pods.Items) != 1 || pods.Items[0].DeletionTimestamp != nil {
		t.Errorf("there are %d pods, want one that stays", len(pods.Items))
	}
}

// A release that is left behind is taken up by another object as it is.
func TestOrphanPolicy(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", "")
	hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	apply(t, hr)
	awaitReady(t, hr)
	deployment := &appsv1.Deployment{ObjectMeta: named(ns, "web")}
	uid := uidOf(t, deployment)
	removed(t, hr.DeepCopy())
	wantRevisions(t, hr, "1:deployed")
	if uidOf(t, deployment) != uid {
		t.Error("the Deployment is another")
	}
	again := release(ns, "web", "optional", "1.0.0", "charts", "")
	apply(t, again)
	awaitReady(t, again)
	wantRevisions(t, again, "1:deployed")
	removed(t, again)
	if exists(t, deployment) || exists(t, recordOf(ns, "web.v1")) {
		t.Error("the release that was taken up was not uninstalled")
	}
}

// A release that is to be elsewhere is uninstalled where it was and installed where it is to be.
func TestMoves(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	target := ns + "-target"
	apply(t, &corev1.Namespace{ObjectMeta: named("", target)})
	for name, test := range map[string]struct {
		move                 func(*v1beta1.HelmReleaseSpec)
		release              string
		namespace, recordsIn string
	}{
		"targeted": {func(s *v1beta1.HelmReleaseSpec) { s.TargetNamespace = target }, target + "-targeted", target, ns},
		"stored":   {func(s *v1beta1.HelmReleaseSpec) { s.StorageNamespace = target }, "stored", ns, target},
		"both": {func(s *v1beta1.HelmReleaseSpec) {
			s.TargetNamespace, s.StorageNamespace, s.ReleaseName = target, target, "both"
		}, "both", target, target},
	} {
		hr := optionalRelease(t, ns, name, "")
		apply(t, hr)
		awaitReady(t, hr)
		former := &appsv1.Deployment{ObjectMeta: named(ns, name)}
		uid := uidOf(t, former)
		test.move(&hr.Spec)
		apply(t, hr)
		awaitReady(t, hr)
		if exists(t, recordOf(ns, name+".v1")) {
			t.Errorf("%s: the former record is still there", name)
		}
		if exists(t, former) && former.UID == uid {
			t.Errorf("%s: the former Deployment is still there", name)
		}
		latest := hr.Status.Latest()
		if latest.Name != test.release || latest.Namespace != test.namespace ||
			hr.Status.StorageNamespace != test.recordsIn || latest.Version != 1 {
			t.Errorf("%s: it is at %+v, its records in %s", name, latest, hr.Status.StorageNamespace)
		}
		if !exists(t, &appsv1.Deployment{ObjectMeta: named(test.namespace, test.release)}) {
			t.Errorf("%s: there is no Deployment in %s", name, test.namespace)
		}
		if !exists(t, recordOf(test.recordsIn, test.release+".v1")) {
			t.Errorf("%s: there is no record in %s", name, test.recordsIn)
		}
		removed(t, hr)
		if exists(t, &appsv1.Deployment{ObjectMeta: named(test.namespace, test.release)}) ||
			exists(t, recordOf(test.recordsIn, test.release+".v1")) {
			t.Errorf("%s: something is left after the deletion", name)
		}
	}
}

// removed deletes an object and waits until it is gone.
func removed(t *testing.T, object client.Object) {
	t.Helper()
	remove(t, object)
	until(t, object.GetName()+" is gone", func() bool { return !exists(t, object) })
}

func uidOf(t *testing.T, object client.Object) types.UID {
	t.Helper()
	return get(t, object).GetUID()
}
