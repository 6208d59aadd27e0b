package view

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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

// podCause says why a pod does not run, without any of its output; empty when nothing is wrong.
func podCause(pod *corev1.Pod) string {
	if pod.Status.Phase == corev1.PodSucceeded {
		return ""
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "cannot be scheduled: " + c.Message
		}
	}
	if pod.Status.Reason == "Evicted" {
		return "evicted: " + pod.Status.Message
	}
	for _, s := range containersOf(pod) {
		if cause := containerCause(s); cause != "" {
			return fmt.Sprintf("container %s: %s", s.Name, cause)
		}
	}
	return ""
}

func containersOf(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func containerCause(s corev1.ContainerStatus) string {
	exit := ""
	if ended, _ := endedBadly(s); ended != nil {
		exit = fmt.Sprintf("exit code %d (%s)", ended.ExitCode, cmp.Or(ended.Reason, "Error"))
		if s.RestartCount > 0 {
			exit += fmt.Sprintf(", restarts: %d", s.RestartCount)
		}
	}
	waiting := s.State.Waiting
	switch {
	case s.Ready && exit != "":
		return "" // it has recovered
	case waiting == nil || waiting.Reason == "ContainerCreating" || waiting.Reason == "PodInitializing":
		return exit
	case exit != "":
		return waiting.Reason + ", " + exit
	case waiting.Message != "" && waiting.Reason != "CrashLoopBackOff":
		return waiting.Reason + ": " + waiting.Message
	}
	return waiting.Reason
}

// endedBadly returns how the container ended last, nil when it did well; previous tells that it has been started again.
func endedBadly(s corev1.ContainerStatus) (ended *corev1.ContainerStateTerminated, previous bool) {
	ended = s.State.Terminated
	if ended == nil {
		ended, previous = s.LastTerminationState.Terminated, true
	}
	if ended == nil || ended.ExitCode == 0 && ended.Signal == 0 {
		return nil, false
	}
	return ended, previous
}

// crashesOf returns the containers of a pod that have crashed and not recovered.
func crashesOf(pod *corev1.Pod) []Crash {
	var out []Crash
	for _, s := range containersOf(pod) {
		ended, previous := endedBadly(s)
		if ended == nil || s.Ready {
			continue
		}
		out = append(out, Crash{
			Namespace: pod.Namespace, Pod: pod.Name, Container: s.Name, ExitCode: ended.ExitCode, Reason: cmp.Or(ended.Reason, "Error"),
			Restarts: s.RestartCount, Previous: previous,
		})
	}
	return out
}
