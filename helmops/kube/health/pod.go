package health

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// PodCause says why a pod does not run, without any of its output; empty when nothing is wrong, or when its containers
// have recovered.
func PodCause(pod *corev1.Pod) string {
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

	for _, s := range Containers(pod) {
		if cause := containerCause(s); cause != "" {
			return fmt.Sprintf("container %s: %s", s.Name, cause)
		}
	}

	return ""
}

// Containers are the states of all containers of a pod, init containers first.
func Containers(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

func containerCause(s corev1.ContainerStatus) string {
	exit := ""
	if ended, _ := EndedBadly(s); ended != nil {
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

// EndedBadly returns how the container ended last, nil when it ended well or never did. previous is set when it was
// started again since.
func EndedBadly(s corev1.ContainerStatus) (ended *corev1.ContainerStateTerminated, previous bool) {
	ended = s.State.Terminated
	if ended == nil {
		ended = s.LastTerminationState.Terminated
		previous = true
	}
	if ended == nil || ended.ExitCode == 0 && ended.Signal == 0 {
		return nil, false
	}
	return ended, previous
}
