package kubeclient

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unstick deletes a pod that keeps a StatefulSet from going back: its controller waits for a pod of the revision that
// is left to become ready, before it replaces it.
func (f *podFollower) unstick(ctx context.Context, pod *corev1.Pod) {
	if f.client.options.Rollback == nil || f.object.info.Mapping.GroupVersionKind.Kind != "StatefulSet" || isReady(pod) {
		return
	}

	set, err := f.client.identity.Kube().AppsV1().StatefulSets(f.object.info.Namespace).Get(ctx, f.object.info.Name,
		metav1.GetOptions{})
	if err != nil || !stuck(set, pod) {
		return
	}

	// Without the right to do it, the wait tells what the pod lacks.
	_ = f.client.identity.Kube().CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &pod.UID, ResourceVersion: &pod.ResourceVersion},
	})
}

// stuck reports whether a pod that is not ready is of another revision than its StatefulSet goes to. Where people
// decide which pods are replaced, none is.
func stuck(set *appsv1.StatefulSet, pod *corev1.Pod) bool {
	strategy := set.Spec.UpdateStrategy
	rolling := strategy.RollingUpdate
	if strategy.Type == appsv1.OnDeleteStatefulSetStrategyType ||
		rolling != nil && rolling.Partition != nil && *rolling.Partition > 0 {
		return false
	}
	revision := pod.Labels[appsv1.ControllerRevisionHashLabelKey]
	return metav1.IsControlledBy(pod, set) && set.Status.ObservedGeneration >= set.Generation &&
		set.Status.UpdateRevision != "" &&
		revision != "" && revision != set.Status.UpdateRevision
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
