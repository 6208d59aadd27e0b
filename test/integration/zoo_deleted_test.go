package integration

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// hold is a finalizer of another controller, which the zoo removes when the test ends.
const hold = "example.com/hold"

// stays says that Fairlead cannot finish the deletion of an object of the zoo, and which reasons its conditions have
// then.
func (z *zoo) stays(object env.Conditioned, reasons ...string) {
	z.Helper()
	for _, a := range z.animals {
		if a.object == object {
			a.deleted = reasons
			return
		}
	}
	z.Fatalf("%s is not in the zoo", object.GetName())
}

// leaving keeps objects whose deletion fails, or waits.
func (z *zoo) leaving() {
	z.Helper()
	z.account("leaver", "cluster-admin")
	z.leavingReleases()
	z.leavingKustomizations()
}

// leavingReleases keeps releases whose uninstall is impossible, fails, or waits.
func (z *zoo) leavingReleases() {
	z.Helper()
	timeout := func(d time.Duration) func(*v1beta1.HelmReleaseSpec) {
		return func(s *v1beta1.HelmReleaseSpec) {
			s.Uninstall = &v1beta1.Uninstall{Timeout: &metav1.Duration{Duration: d}}
		}
	}
	leaver := func(s *v1beta1.HelmReleaseSpec) { s.ServiceAccountName = "leaver" }
	for _, is := range []struct {
		name, values, reason string
		change               func(*v1beta1.HelmReleaseSpec)
	}{
		{"accountless", "", v1beta1.AccessDeniedReason, leaver},
		{"slow", `{"stuck":true}`, v1beta1.ProgressingReason, timeout(time.Hour)},
		{"hook-fails", `{"hooks":{"pre-delete":3}}`, v1beta1.UninstallFailedReason, timeout(time.Hour)},
	} {
		hr := z.hr(is.name, is.values, is.change)
		z.keep(hr, v1beta1.InstallSucceededReason)
		z.stays(hr, is.reason)
	}
}

// leavingKustomizations keeps Kustomizations whose objects cannot be deleted, or do not go.
func (z *zoo) leavingKustomizations() {
	z.Helper()
	waits := func(timeout time.Duration) func(*v1beta1.KustomizationSpec) {
		return func(s *v1beta1.KustomizationSpec) {
			s.DeletionPolicy, s.Timeout = v1beta1.DeletionPolicyWaitForTermination, &metav1.Duration{Duration: timeout}
		}
	}
	leaver := func(s *v1beta1.KustomizationSpec) { s.ServiceAccountName = "leaver" }
	for _, is := range []struct {
		name, reason string
		change       func(*v1beta1.KustomizationSpec)
	}{
		{"accountless", v1beta1.AccessDeniedReason, leaver},
		{"stuck", v1beta1.ApplyFailedReason, waits(3 * time.Second)},
		{"slow", v1beta1.ProgressingReason, waits(time.Hour)},
		{"crowded", v1beta1.PruneRefusedReason, waits(3 * time.Second)},
	} {
		k := kustomization(z.ns, is.name, is.name, is.change)
		z.keep(k, v1beta1.AppliedReason)
		z.stays(k, is.reason)
	}
	crowded := z.ns + "-crowded"
	until(z.T, "the namespace is there", func() bool {
		return exists(z.T, &corev1.Namespace{ObjectMeta: named("", crowded)})
	})
	apply(z.T, &corev1.ConfigMap{ObjectMeta: named(crowded, "foreign")})
}

// deleteAll deletes every object of the zoo, and keeps it with a finalizer of another controller. Half of those whose
// deletion Fairlead can finish are suspended meanwhile.
func (z *zoo) deleteAll() {
	z.Helper()
	remove(z.T, &corev1.ServiceAccount{ObjectMeta: named(z.ns, "leaver")})
	// Kustomization full waits with its Namespace until here; crowded keeps one with objects of others.
	remove(z.T, &corev1.ConfigMap{ObjectMeta: named(z.ns+"-full", "foreign")})
	for i, a := range z.animals {
		a.asleep = len(a.deleted) == 0 && i%2 == 0
		body, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"finalizers": append(get(z.T, a.object).GetFinalizers(), hold)},
			"spec":     map[string]any{"suspend": a.asleep},
		})
		if err != nil {
			z.Fatal(err)
		}
		err = world.cluster.Client.Patch(z.Context(), a.object, client.RawPatch(types.MergePatchType, body))
		if err != nil {
			z.Fatal(err)
		}
		remove(z.T, a.object)
	}
}

// checkFinalizers checks that every object is still there, and that Fairlead's own finalizer is on those whose
// deletion it cannot finish, and on no other.
func (z *zoo) checkFinalizers() {
	z.Helper()
	for _, a := range z.animals {
		what := kindOfAnimal(a.object) + " " + a.object.GetName()
		if len(a.deleted) == 0 {
			until(z.T, "Fairlead removes its finalizer from "+what, func() bool {
				return !controllerutil.ContainsFinalizer(get(z.T, a.object), v1beta1.Finalizer)
			})
		}
		live := get(z.T, a.object)
		if !slices.Contains(live.GetFinalizers(), hold) || live.GetDeletionTimestamp().IsZero() {
			z.Errorf("%s is not being deleted, or not kept: %v", what, live.GetFinalizers())
		}
		if len(a.deleted) > 0 && !controllerutil.ContainsFinalizer(live, v1beta1.Finalizer) {
			z.Errorf("%s: Fairlead has removed its finalizer, although it cannot have finished the deletion", what)
		}
	}
}

// release removes all objects of the zoo without an uninstall, and what finalizers keep of their objects.
func (z *zoo) release() {
	body := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	free := func(object client.Object) {
		deleted := world.cluster.Client.Delete(context.Background(), object)
		freed := world.cluster.Client.Patch(context.Background(), object, body)
		if client.IgnoreNotFound(deleted) != nil || client.IgnoreNotFound(freed) != nil {
			z.Errorf("removing %s: %v, %v", object.GetName(), deleted, freed)
		}
	}
	for _, a := range z.animals {
		free(a.object)
	}
	configs := &corev1.ConfigMapList{}
	if err := world.cluster.Client.List(context.Background(), configs, client.InNamespace(z.ns)); err != nil {
		z.Error(err)
	}
	for i := range configs.Items {
		if slices.Contains(configs.Items[i].Finalizers, hold) {
			free(&configs.Items[i])
		}
	}
}
