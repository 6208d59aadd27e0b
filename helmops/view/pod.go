package view

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/helmops/kube/health"
)

// Crash is a container that has ended when it should run.
type Crash struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	// ExitCode and Reason as the kubelet reports them, for example 137 and OOMKilled.
	ExitCode int32  `json:"exitCode"`
	Reason   string `json:"reason"`
	Restarts int32  `json:"restarts"`
	// Previous is set when the output of the crash is that of the previous run of the container.
	Previous bool `json:"-"`
}

// podOf reads a pod; nil when the object is none.
func podOf(object *unstructured.Unstructured) *corev1.Pod {
	if object.GetKind() != "Pod" || object.GroupVersionKind().Group != "" {
		return nil
	}
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, pod); err != nil {
		return nil
	}
	return pod
}

// crashesOf returns the containers of a pod that have crashed and not recovered.
func crashesOf(pod *corev1.Pod) []Crash {
	var out []Crash
	for _, s := range health.Containers(pod) {
		ended, previous := health.EndedBadly(s)
		if ended == nil || s.Ready {
			continue
		}

		out = append(out, Crash{
			Namespace: pod.Namespace, Pod: pod.Name, Container: s.Name, ExitCode: ended.ExitCode,
			Reason: cmp.Or(ended.Reason, "Error"), Restarts: s.RestartCount, Previous: previous,
		})
	}

	return out
}
