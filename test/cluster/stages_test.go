package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

// oneAtATime keeps tests apart: kwok reads the expressions of its stages with maps that have no lock.
var oneAtATime sync.Mutex

// player plays pod stages the way kwok does, without a cluster.
type player struct {
	stages   lifecycle.Lifecycle
	renderer gotpl.Renderer
}

func newPlayer(t *testing.T, podReadyDelay time.Duration) player {
	t.Helper()
	config, err := simulationConfig(podReadyDelay)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "simulation.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := kwokconfig.Load(t.Context(), path)
	if err != nil {
		t.Fatalf("kwok does not read the configuration: %v", err)
	}
	var podStages []*internalversion.Stage
	for _, object := range objects {
		if stage, ok := object.(*internalversion.Stage); ok && stage.Spec.ResourceRef.Kind == "Pod" {
			podStages = append(podStages, stage)
		}
	}
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	stages, err := lifecycle.NewLifecycle(podStages)
	if err != nil {
		t.Fatal(err)
	}
	return player{stages: stages, renderer: gotpl.NewRenderer(gotpl.FuncMap{
		"NodeIPsWith": func(string) []string { return []string{nodeIP} },
		"PodIPsWith":  func(string, bool, string, string, string) []string { return []string{"10.244.0.7"} },
	})}
}

// step applies the one stage that matches and returns its name and delay, or "" when the pod is settled.
func (p player) step(t *testing.T, pod *corev1.Pod) (string, time.Duration) {
	t.Helper()
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	event := &lifecycle.Event{Labels: pod.Labels, Annotations: pod.Annotations, Data: pod}
	matching, err := p.stages.ListAllPossible(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	if len(matching) == 0 {
		return "", 0
	}
	if len(matching) > 1 {
		t.Fatalf("stages %s and %s both match", matching[0].Name(), matching[1].Name())
	}
	delay, _, err := matching[0].Delay(t.Context(), event, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = matching[0].DoSteps(0, pod.Finalizers, pod, p.renderer, nil,
		func() error { return nil },
		func(patch *lifecycle.Patch) error { return applyPatch(pod, patch) },
		nil)
	if err != nil {
		t.Fatalf("stage %s: %v", matching[0].Name(), err)
	}
	return matching[0].Name(), delay
}

func applyPatch(pod *corev1.Pod, patch *lifecycle.Patch) error {
	before, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch.Data, pod)
	if err != nil {
		return err
	}
	*pod = corev1.Pod{}
	return json.Unmarshal(after, pod)
}

// settle plays until nothing matches and returns the stages that were played.
func (p player) settle(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	var played []string
	for range 5 {
		name, _ := p.step(t, pod)
		if name == "" {
			return strings.Join(played, " ")
		}
		played = append(played, name)
	}
	t.Fatalf("the pod does not settle: %v", played)
	return ""
}

// scheduledPod is a pod as the scheduler leaves it, with one container "main".
func scheduledPod(change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: types.UID("u-1")},
		Spec: corev1.PodSpec{
			NodeName:      nodeName,
			RestartPolicy: corev1.RestartPolicyAlways,
			Containers:    []corev1.Container{{Name: "main", Image: "example/app:1"}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodPending,
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
			},
		},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func arguments(words ...string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].Args = words }
}

func annotation(name, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { metav1.SetMetaDataAnnotation(&pod.ObjectMeta, name, value) }
}

func runsOnce(pod *corev1.Pod) { pod.Spec.RestartPolicy = corev1.RestartPolicyNever }

// look is a pod's status in a few words: phase, readiness, and what the first container does.
func look(pod *corev1.Pod) string {
	words := []string{string(pod.Status.Phase), "ready=" + string(condition(pod, corev1.PodReady))}
	if condition(pod, corev1.PodReady) != condition(pod, corev1.ContainersReady) {
		words = append(words, "ContainersReady differs")
	}
	if len(pod.Status.ContainerStatuses) == 0 {
		return strings.Join(append(words, "no containers"), " ")
	}
	switch state := pod.Status.ContainerStatuses[0].State; {
	case state.Running != nil:
		words = append(words, "running")
	case state.Waiting != nil:
		words = append(words, state.Waiting.Reason)
	case state.Terminated != nil:
		words = append(words, state.Terminated.Reason)
	}
	return strings.Join(words, " ")
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return "absent"
}

func TestPodSettlesWhereItsSpecSays(t *testing.T) {
	t.Parallel()
	onFailure := func(pod *corev1.Pod) { pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure }
	for name, test := range map[string]struct {
		pod    *corev1.Pod
		played string
		look   string
	}{
		"a plain pod is ready at once": {scheduledPod(), "pod-ready", "Running ready=True running"},
		"--unready runs and is not ready": {scheduledPod(arguments("serve", "--unready")), "pod-unready",
			"Running ready=False running"},
		"--unready inside a shell line counts": {scheduledPod(arguments("-c", "app --unready")), "pod-unready",
			"Running ready=False running"},
		"readiness can be annotated away": {scheduledPod(annotation("sim.fairlead.dev/ready", "false")),
			"pod-unready", "Running ready=False running"},
		"the argument wins over the annotation": {
			scheduledPod(arguments("--unready"), annotation("sim.fairlead.dev/ready", "true")), "pod-unready",
			"Running ready=False running"},
		"an image can be unpullable": {scheduledPod(annotation("sim.fairlead.dev/waiting", "ImagePullBackOff")),
			"pod-pull-back-off", "Pending ready=False ImagePullBackOff"},
		"a container can crash": {scheduledPod(annotation("sim.fairlead.dev/waiting", "CrashLoopBackOff")),
			"pod-crash-loop", "Running ready=False CrashLoopBackOff"},
		"a pod that runs once succeeds": {scheduledPod(runsOnce), "pod-finished",
			"Succeeded ready=False Completed"},
		"so does one restarted on failure": {scheduledPod(onFailure), "pod-finished",
			"Succeeded ready=False Completed"},
		"it fails when told to": {scheduledPod(runsOnce, arguments("-c", "exit 3")), "pod-finished",
			"Failed ready=False Error"},
		"exit 0 is success": {scheduledPod(runsOnce, arguments("-c", "exit 0")), "pod-finished",
			"Succeeded ready=False Completed"},
		"exit 256 is no exit code": {scheduledPod(runsOnce, arguments("-c", "exit 256")), "pod-finished",
			"Succeeded ready=False Completed"},
		"it runs on when it sleeps": {scheduledPod(runsOnce, arguments("sleep infinity")), "pod-ready",
			"Running ready=True running"},
		"it runs on in a loop, whatever comes": {scheduledPod(runsOnce, arguments("while sleep 1; do exit 1; done")),
			"pod-ready", "Running ready=True running"},
		"a long-lived pod ignores exit codes": {scheduledPod(arguments("exit 3")), "pod-ready",
			"Running ready=True running"},
		"a job's image can be unpullable as well": {
			scheduledPod(runsOnce, annotation("sim.fairlead.dev/waiting", "ImagePullBackOff")), "pod-pull-back-off",
			"Pending ready=False ImagePullBackOff"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if played := newPlayer(t, 0).settle(t, test.pod); played != test.played {
				t.Errorf("played %q, want %q", played, test.played)
			}
			if got := look(test.pod); got != test.look {
				t.Errorf("looks %q, want %q", got, test.look)
			}
			if condition(test.pod, corev1.PodScheduled) != corev1.ConditionTrue ||
				condition(test.pod, corev1.PodInitialized) != corev1.ConditionTrue {
				t.Errorf("conditions %v miss PodScheduled or Initialized", test.pod.Status.Conditions)
			}
			if test.pod.Status.PodIP == "" || test.pod.Status.HostIP != nodeIP || test.pod.Status.StartTime == nil {
				t.Errorf("no address or start time: %+v", test.pod.Status)
			}
		})
	}
}

func TestLivePodFollowsItsAnnotations(t *testing.T) {
	t.Parallel()
	play := newPlayer(t, 0)
	pod := scheduledPod()
	play.settle(t, pod)
	// On the wire times have whole seconds.
	started := pod.Status.ContainerStatuses[0].State.Running.StartedAt.Rfc3339Copy()
	for _, turn := range []struct{ ready, waiting, look string }{
		{"false", "", "Running ready=False running"},
		{"true", "", "Running ready=True running"},
		{"false", "", "Running ready=False running"},
		{"", "", "Running ready=True running"},
		{"", "CrashLoopBackOff", "Running ready=False CrashLoopBackOff"},
		{"", "ImagePullBackOff", "Pending ready=False ImagePullBackOff"},
		{"", "", "Running ready=True running"},
	} {
		pod.Annotations = map[string]string{}
		if turn.ready != "" {
			pod.Annotations["sim.fairlead.dev/ready"] = turn.ready
		}
		if turn.waiting != "" {
			pod.Annotations["sim.fairlead.dev/waiting"] = turn.waiting
		}
		play.settle(t, pod)
		if got := look(pod); got != turn.look {
			t.Errorf("ready=%q waiting=%q looks %q, want %q", turn.ready, turn.waiting, got, turn.look)
		}
		if running := pod.Status.ContainerStatuses[0].State.Running; turn.waiting == "" && running != nil &&
			pod.Status.ContainerStatuses[0].RestartCount == 0 && running.StartedAt.Rfc3339Copy() != started {
			t.Error("a flip of readiness restarted the container")
		}
		if pod.Status.PodIP != "10.244.0.7" || len(pod.Status.PodIPs) != 1 {
			t.Errorf("addresses changed: %v", pod.Status.PodIPs)
		}
	}
	if count := pod.Status.ContainerStatuses[0].RestartCount; count == 0 {
		t.Error("the crashes were forgotten")
	}
}

func TestReadinessIsDelayedOnceAfterTheStart(t *testing.T) {
	t.Parallel()
	play := newPlayer(t, 30*time.Second)
	pod := scheduledPod()
	expect := func(stage string, delay time.Duration, wantLook string) {
		t.Helper()
		name, got := play.step(t, pod)
		if name != stage || got != delay || look(pod) != wantLook {
			t.Fatalf("stage %s after %s leads to %q, want %s after %s to %q", name, got, look(pod), stage, delay, wantLook)
		}
	}
	expect("pod-starting", 0, "Running ready=False running")
	expect("pod-ready", 30*time.Second, "Running ready=True running")
	pod.Annotations = map[string]string{"sim.fairlead.dev/ready": "false"}
	expect("pod-unready", 0, "Running ready=False running")
	pod.Annotations = nil
	expect("pod-ready", 0, "Running ready=True running")
	expect("", 0, "Running ready=True running")
}

func TestFinishedContainersTellTheirExit(t *testing.T) {
	t.Parallel()
	always := corev1.ContainerRestartPolicyAlways
	pod := scheduledPod(runsOnce, func(pod *corev1.Pod) {
		pod.Spec.Containers = append(pod.Spec.Containers,
			corev1.Container{Name: "bad", Command: []string{"sh", "-c", "true; exit 17"}})
		pod.Spec.InitContainers = []corev1.Container{{Name: "setup"}, {Name: "sidecar", RestartPolicy: &always}}
	})
	newPlayer(t, 0).settle(t, pod)
	if pod.Status.Phase != corev1.PodFailed {
		t.Errorf("phase %s, want Failed", pod.Status.Phase)
	}
	for i, want := range []int32{0, 17} {
		end := pod.Status.ContainerStatuses[i].State.Terminated
		if end == nil || end.ExitCode != want || end.StartedAt.IsZero() || end.FinishedAt.IsZero() {
			t.Errorf("container %d ended %+v, want exit code %d with times", i, end, want)
		}
	}
	for _, status := range pod.Status.InitContainerStatuses {
		if status.State.Terminated == nil || status.State.Terminated.ExitCode != 0 {
			t.Errorf("init container %s is in %+v, want completed", status.Name, status.State)
		}
	}
}

func TestRunningPodKeepsItsSidecars(t *testing.T) {
	t.Parallel()
	always := corev1.ContainerRestartPolicyAlways
	pod := scheduledPod(func(pod *corev1.Pod) {
		pod.Spec.InitContainers = []corev1.Container{{Name: "setup"}, {Name: "sidecar", RestartPolicy: &always}}
	})
	newPlayer(t, 0).settle(t, pod)
	if done := pod.Status.InitContainerStatuses[0].State.Terminated; done == nil || done.Reason != "Completed" {
		t.Errorf("init container is in %+v, want completed", pod.Status.InitContainerStatuses[0].State)
	}
	if sidecar := pod.Status.InitContainerStatuses[1]; sidecar.State.Running == nil || !sidecar.Ready {
		t.Errorf("sidecar is in %+v, want running and ready", sidecar)
	}
}

func TestCrashLoopRemembersTheCrash(t *testing.T) {
	t.Parallel()
	pod := scheduledPod(annotation("sim.fairlead.dev/waiting", "CrashLoopBackOff"))
	newPlayer(t, 0).settle(t, pod)
	status := pod.Status.ContainerStatuses[0]
	last := status.LastTerminationState.Terminated
	if status.RestartCount == 0 || last == nil || last.ExitCode != 1 || last.Reason != "Error" {
		t.Errorf("restartCount %d, last state %+v; want restarts and exit code 1", status.RestartCount, last)
	}
}

func TestDeletedPodIsDeletedOnce(t *testing.T) {
	t.Parallel()
	play := newPlayer(t, 0)
	now, grace := metav1.Now(), int64(30)
	pod := scheduledPod(func(pod *corev1.Pod) {
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
		pod.Finalizers = []string{"example.com/keep"}
	})
	if name, _ := play.step(t, pod); name != "pod-deleted" {
		t.Errorf("stage %q, want pod-deleted", name)
	}
	grace = 0
	if name, _ := play.step(t, pod); name != "" {
		t.Errorf("stage %q plays on a pod that waits for its finalizers", name)
	}
}
