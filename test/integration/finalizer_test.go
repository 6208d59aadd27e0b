package integration

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// An object of an earlier version loses the finalizer of that version, gets the present one, and is uninstalled as any
// other.
func TestAFormerFinalizerIsReplaced(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Finalizers = []string{v1beta1.FormerFinalizer}
	apply(t, hr)
	awaitReady(t, hr)
	if got := get(t, hr).GetFinalizers(); !slices.Equal(got, []string{v1beta1.Finalizer}) {
		t.Errorf("the finalizers are %v", got)
	}
	remove(t, hr)
	until(t, "it is gone", func() bool { return !exists(t, hr) })
	if exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}) {
		t.Error("its Helm release is left")
	}
}
