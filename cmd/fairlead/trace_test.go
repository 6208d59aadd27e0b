package main

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// appliedBy sets the labels of a Kustomization.
func appliedBy[T client.Object](object T, namespace, name string) T {
	object.SetLabels(map[string]string{
		v1beta1.KustomizationNamespaceLabel: namespace, v1beta1.KustomizationNameLabel: name,
	})
	return object
}

// tracedShop are the release shop and the Kustomization that has applied it.
func tracedShop() []client.Object {
	hr := appliedBy(shop(), "infra", "apps")
	apps := appliedBy(&v1beta1.Kustomization{
		ObjectMeta: named("infra", "apps", time.Hour),
		Spec: v1beta1.KustomizationSpec{Path: "./apps",
			SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"}},
		Status: v1beta1.KustomizationStatus{ObservedGeneration: 3, LastAppliedRevision: "main@sha1:" + commit,
			Inventory: &v1beta1.ResourceInventory{Entries: []v1beta1.ResourceRef{
				{ID: "web_shop_fairlead.dev_HelmRelease", Version: "v1beta1"},
				{ID: "web_settings__ConfigMap", Version: "v1"},
			}}},
	}, "infra", "apps")
	makeReady(apps)
	return []client.Object{hr, apps, charts(), fleet()}
}

// makeReady makes a Kustomization Ready.
func makeReady(ks *v1beta1.Kustomization) {
	ks.Status.Conditions = []metav1.Condition{{Type: v1beta1.ReadyCondition, Status: metav1.ConditionTrue,
		Reason: v1beta1.AppliedReason, ObservedGeneration: 3, LastTransitionTime: ago(time.Hour)}}
}

// tracedObjects are objects of the release, of the Kustomization, and of nothing.
func tracedObjects() []client.Object {
	owned := func(name, kind, owner string) metav1.ObjectMeta {
		out := metav1.ObjectMeta{Namespace: "web", Name: name, UID: types.UID("uid-" + name)}
		controls := true
		out.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: kind, Name: owner, UID: types.UID("uid-" + owner), Controller: &controls},
		}
		return out
	}
	deployment := &appsv1.Deployment{ObjectMeta: object("shop", "")}
	deployment.Annotations = map[string]string{
		"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "web",
	}
	hook := &corev1.ConfigMap{ObjectMeta: object("hook", "")}
	hook.Annotations = deployment.Annotations
	foreign := &corev1.ConfigMap{ObjectMeta: object("foreign", "")}
	foreign.Annotations = map[string]string{"meta.helm.sh/release-name": "other"}
	return []client.Object{
		deployment, hook, foreign, &corev1.ConfigMap{ObjectMeta: object("plain", "")},
		&appsv1.ReplicaSet{ObjectMeta: owned("shop-5d4", "Deployment", "shop")},
		&corev1.Pod{ObjectMeta: owned("shop-5d4-bbbbb", "ReplicaSet", "shop-5d4")},
		&corev1.Pod{ObjectMeta: owned("orphan", "ReplicaSet", "gone")},
		appliedBy(&corev1.ConfigMap{ObjectMeta: object("settings", "")}, "infra", "apps"),
		appliedBy(&corev1.ConfigMap{ObjectMeta: object("lost", "")}, "infra", "gone"),
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	w := world{objects: tracedShop(), live: tracedObjects()}
	unlisted := w
	unlisted.funcs = interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			options := client.ListOptions{}
			if options.ApplyOptions(opts); options.Namespace == "" {
				return forbid("list", "")
			}
			return c.List(ctx, list, opts...)
		},
	}
	unread := w
	unread.reads = forbids("ReplicaSet")
	runGolden(t, []goldenCase{
		{"trace-pod", w, "trace pod/shop-5d4-bbbbb"},
		{"trace-deployment", w, "trace Deployment shop"},
		{"trace-deployment-json", w, "trace deployments.apps/shop -o json"},
		{"trace-narrow", world{objects: w.objects, live: w.live, outWidth: 60}, "trace deployment shop"},
		{"trace-kustomization", w, "trace configmap settings"},
		{"trace-release", w, "trace hr/shop"},
		{"trace-itself", w, "trace ks/apps -n infra"},
		{"trace-source", w, "trace git/fleet -n infra"},
		{"trace-hook", w, "trace configmap hook"},
		{"trace-foreign", w, "trace configmap foreign"},
		{"trace-plain", w, "trace configmap plain"},
		{"trace-orphan", w, "trace pod orphan"},
		{"trace-lost", w, "trace configmap lost"},
		{"trace-not-listed", unlisted, "trace deployment shop"},
		{"trace-owner-forbidden", unread, "trace pod shop-5d4-bbbbb"},
		{"trace-forbidden", world{reads: forbids("Deployment")}, "trace deployment shop"},
		{"trace-not-found", w, "trace deployment shpo"},
		{"trace-release-not-found", w, "trace release shpo"},
		{"trace-unknown-kind", w, "trace deploymnt shop"},
		{"trace-no-name", w, "trace deployment"},
	})
}
