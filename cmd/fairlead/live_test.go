package main

import (
	"context"
	"errors"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
)

func object(name string, owner types.UID) metav1.ObjectMeta {
	out := metav1.ObjectMeta{Namespace: "web", Name: name, UID: types.UID("uid-" + name), Generation: 1}
	if owner != "" {
		out.OwnerReferences = []metav1.OwnerReference{{UID: owner}}
	}
	return out
}

func replicaSet(name string, wanted, available int32) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: object(name, "uid-shop"), Spec: appsv1.ReplicaSetSpec{Replicas: &wanted},
		Status: appsv1.ReplicaSetStatus{ObservedGeneration: 1, Replicas: wanted, FullyLabeledReplicas: wanted, ReadyReplicas: available, AvailableReplicas: available}}
}

func runningPod(name, owner string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: object(name, types.UID("uid-"+owner)), Status: corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "web", Ready: true}},
	}}
}

// crashedPod has a container that the kubelet starts again and again.
func crashedPod(name, owner string) *corev1.Pod {
	pod := runningPod(name, owner)
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.ContainerStatuses[0] = corev1.ContainerStatus{
		Name: "web", RestartCount: 4,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}},
	}
	return pod
}

// liveShop is what runs for the release shop: the Deployment has one pod that runs and one that is not well when it is given.
func liveShop(available int32, second *corev1.Pod) []client.Object {
	replicas := int32(2)
	deployment := &appsv1.Deployment{ObjectMeta: object("shop", ""), Spec: appsv1.DeploymentSpec{Replicas: &replicas},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 2, UpdatedReplicas: 2, ReadyReplicas: available, AvailableReplicas: available}}
	if available == replicas {
		deployment.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}}
	}
	return []client.Object{
		deployment, replicaSet("shop-5d4", 2, available), replicaSet("shop-old", 0, 0), runningPod("shop-5d4-aaaaa", "shop-5d4"), second,
		&corev1.ConfigMap{ObjectMeta: object("shop-a", "")}, &corev1.ConfigMap{ObjectMeta: object("shop-b", "")},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop", UID: "uid-service"}, Spec: corev1.ServiceSpec{ClusterIP: "10.0.0.1"}},
	}
}

func healthyShop() []client.Object { return liveShop(2, runningPod("shop-5d4-bbbbb", "shop-5d4")) }
func crashedShop() []client.Object { return liveShop(1, crashedPod("shop-5d4-bbbbb", "shop-5d4")) }

// forbids refuses to read a kind.
func forbids(kind string) interceptor.Funcs {
	refusal := func() error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", errors.New(`User "jo" may not`))
	}
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if o.GetObjectKind().GroupVersionKind().Kind == kind {
				return refusal()
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if list.GetObjectKind().GroupVersionKind().Kind == kind+"List" {
				return refusal()
			}
			return c.List(ctx, list, opts...)
		},
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	releases := everything()
	remote := shop()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	runGolden(t, []goldenCase{
		{"tree", world{objects: releases, live: healthyShop()}, "tree release shop"},
		{"tree-crash", world{objects: releases, live: crashedShop()}, "tree hr shop -n web"},
		{"tree-colour", world{objects: releases, live: crashedShop(), colour: true}, "tree release shop"},
		{"tree-json", world{objects: releases, live: crashedShop()}, "tree release shop -o json"},
		{"tree-missing", world{objects: releases, live: healthyShop()[1:]}, "tree release shop"},
		{"tree-forbidden-pods", world{objects: releases, live: healthyShop(), reads: forbids("Pod")}, "tree release shop"},
		{"tree-forbidden-deployments", world{objects: releases, live: healthyShop(), reads: forbids("Deployment")}, "tree release shop"},
		{"tree-empty", world{objects: releases}, "tree release fresh"},
		{"tree-remote", world{objects: []client.Object{remote}}, "tree release shop"},
		{"tree-kustomization", world{objects: tracedShop(), live: tracedObjects()}, "tree ks apps -n infra"},
		{"tree-kustomization-empty", world{objects: everything()}, "tree ks apps"},
		{"tree-source", world{}, "tree git fleet"},
		{"tree-not-found", world{objects: releases}, "tree release shopp"},
	})
}
