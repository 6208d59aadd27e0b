package health

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPodCause(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	ended := func(code int32, reason string) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason}}
	}
	container := func(state, last corev1.ContainerState, restarts int32) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{Name: "app", State: state, LastTerminationState: last, RestartCount: restarts},
		}}
	}
	var none corev1.ContainerState
	tests := []struct {
		name   string
		status corev1.PodStatus
		want   string
	}{
		{
			name:   "nothing is wrong",
			status: container(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, none, 0),
		},
		{name: "it is being made", status: container(waiting("ContainerCreating", ""), none, 0)},
		{name: "the image", status: container(waiting("ImagePullBackOff", `Back-off pulling image "a:1"`), none, 0),
			want: `container app: ImagePullBackOff: Back-off pulling image "a:1"`},
		{name: "a crash loop",
			status: container(waiting("CrashLoopBackOff", "back-off 5m0s restarting"), ended(3, "Error"), 7),
			want:   "container app: CrashLoopBackOff, exit code 3 (Error), restarts: 7"},
		{
			name: "out of memory", status: container(ended(137, "OOMKilled"), none, 0),
			want: "container app: exit code 137 (OOMKilled)",
		},
		{name: "it came to its end", status: container(ended(0, "Completed"), none, 0)},
		{name: "an init container",
			status: corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{Name: "init", State: ended(1, "")}}},
			want:   "container init: exit code 1 (Error)"},
		{name: "it has recovered", status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Ready: true, RestartCount: 2, LastTerminationState: ended(1, "Error"),
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}}},
		{name: "evicted", status: corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "low on memory"},
			want: "evicted: low on memory"},
		{name: "it succeeded after a crash", status: corev1.PodStatus{
			Phase:             corev1.PodSucceeded,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", LastTerminationState: ended(1, "Error")}},
		}},
		{name: "no room", status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available: insufficient cpu"},
		}}, want: "cannot be scheduled: 0/3 nodes are available: insufficient cpu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := PodCause(&corev1.Pod{Status: tt.status}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
