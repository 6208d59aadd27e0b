package kubeclient

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func waitingPod(name, reason string, created time.Time) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "apps", Name: name, UID: "pod", Labels: map[string]string{"app": "web"},
			CreationTimestamp: metav1.Time{Time: created},
		},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{
			{
				Name: "main", RestartCount: crashes,
				State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}},
			},
		}},
	}
}

func TestStateOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason string
		job    bool
		want   podState
	}{
		{"CrashLoopBackOff", false, podBroken}, {"CrashLoopBackOff", true, podFine},
		{"CreateContainerConfigError", true, podBroken},
		{"InvalidImageName", false, podBroken}, {"ImagePullBackOff", false, podPulling}, {"ErrImagePull", true, podPulling},
		{"ContainerCreating", false, podStarting}, {"PodInitializing", false, podStarting}, {"Whatever", false, podFine},
	}
	for _, tt := range tests {
		pod := waitingPod("web", tt.reason, time.Time{})
		if got := stateOf(pod, tt.job); got != tt.want {
			t.Errorf("%s (job: %t) is %d, want %d", tt.reason, tt.job, got, tt.want)
		}
		if early := pod.DeepCopy(); tt.reason == "CrashLoopBackOff" {
			early.Status.ContainerStatuses[0].RestartCount = crashes - 1
			if got := stateOf(early, tt.job); got != podFine {
				t.Errorf("a first crash (job: %t) is %d", tt.job, got)
			}
		}
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = pod.Status.ContainerStatuses, nil
		if got := stateOf(pod, tt.job); got != tt.want {
			t.Errorf("%s of an init container (job: %t) is %d, want %d", tt.reason, tt.job, got, tt.want)
		}
	}
}

// podsOnly is an Identity of which only the clientset is asked.
type podsOnly struct {
	Identity
	clients kubernetes.Interface
}

func (c podsOnly) Kube() kubernetes.Interface { return c.clients }

func workload(kind string) unready {
	content := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}},
	}}
	mapping := &meta.RESTMapping{
		GroupVersionKind: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kind}, Scope: meta.RESTScopeNamespace,
	}
	return unready{info: &resource.Info{Namespace: "apps", Name: "web", Mapping: mapping, Object: content}}
}

func TestPodsThatCannotRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, reason string
		older        bool
		// after is how long it takes until the wait fails; zero is never.
		after time.Duration
		busy  bool
	}{
		{name: "a crash loop", reason: "CrashLoopBackOff", after: time.Nanosecond},
		{name: "a crash loop of the revision before", reason: "CrashLoopBackOff", older: true},
		{name: "an image that cannot be pulled", reason: "ImagePullBackOff", after: pullGrace},
		{name: "containers that are being made", reason: "ContainerCreating", busy: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				begun := time.Now()
				created := begun
				if tt.older {
					created = begun.Add(-time.Hour)
				}
				client := &Client{
					identity: podsOnly{clients: fake.NewClientset(waitingPod("web-1", tt.reason, created))},
					options:  Options{Now: time.Now},
				}
				w := client.watchPods(ctx, []unready{workload("Deployment")}, begun)
				var failed time.Duration
				select {
				case broken := <-w.found():
					failed = max(time.Since(begun), time.Nanosecond)
					if want := "pod web-1 container main: " + tt.reason; broken.cause != want {
						t.Errorf("the cause is %q, want %q", broken.cause, want)
					}
				case <-time.After(time.Minute):
				}
				if failed != tt.after {
					t.Errorf("it failed after %s, want %s", failed, tt.after)
				}
				if w.busy() != tt.busy {
					t.Errorf("busy is %t", w.busy())
				}
			})
		})
	}
}

// What another process began and this one finishes has pods from before this process.
func TestPodsOfWhatAnotherProcessBegan(t *testing.T) {
	t.Parallel()
	began := time.Now().Add(-time.Hour)
	for _, o := range []Options{{Now: time.Now}, {Now: time.Now, Begun: began}} {
		stock := NewClient(t.Context(), noGetter{}, nil, nil, nil, o)
		stock.begin()
		want := o.Begun
		if got := stock.writesBegan(time.Time{}); !want.IsZero() && !got.Equal(want) || want.IsZero() && !got.After(began) {
			t.Errorf("with %v the pods of the revision are those since %s", o.Begun, got)
		}
	}
}

// noGetter is an Identity that is asked for nothing but a getter.
type noGetter struct{ Identity }

func (noGetter) Getter(string) genericclioptions.RESTClientGetter {
	return genericclioptions.NewConfigFlags(false)
}

func TestPodsThatMayNotBeWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clients := fake.NewClientset(waitingPod("web-1", "CrashLoopBackOff", time.Now()))
		asked := 0
		clients.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			asked++
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", nil)
		})
		client := &Client{identity: podsOnly{clients: clients}, options: Options{Now: time.Now}}
		w := client.watchPods(t.Context(), []unready{workload("Deployment")}, time.Now())
		synctest.Wait()
		select {
		case <-w.found():
			t.Error("something was told")
		case <-time.After(time.Minute):
		}
		if asked != 1 {
			t.Errorf("it was asked %d times, want once", asked)
		}
	})
}

func TestStuck(t *testing.T) {
	t.Parallel()
	const good, bad = "web-good", "web-bad"
	one := int32(1)
	set := func(change func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "set", Generation: 2}}
		s.Status.ObservedGeneration, s.Status.UpdateRevision = 2, good
		if change != nil {
			change(s)
		}
		return s
	}
	pod := func(revision string) *corev1.Pod {
		controls := true
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Labels:          map[string]string{appsv1.ControllerRevisionHashLabelKey: revision},
			OwnerReferences: []metav1.OwnerReference{{UID: "set", Controller: &controls}},
		}}
	}
	tests := []struct {
		name string
		set  *appsv1.StatefulSet
		pod  *corev1.Pod
		want bool
	}{
		{"of the revision that is left", set(nil), pod(bad), true},
		{"of the revision it goes to", set(nil), pod(good), false},
		{
			"of somebody else", set(nil),
			&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: bad}}},
			false,
		},
		{"not seen yet", set(func(s *appsv1.StatefulSet) { s.Generation = 3 }), pod(bad), false},
		{"replaced by hand", set(func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
		}), pod(bad), false},
		{"held back", set(func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &one}
		}), pod(bad), false},
	}
	for _, tt := range tests {
		if got := stuck(tt.set, tt.pod); got != tt.want {
			t.Errorf("%s: got %t", tt.name, got)
		}
	}
}

func TestAStatefulSetThatIsStuckIsFreed(t *testing.T) {
	t.Parallel()
	for _, back := range []*Rollback{nil, {}} {
		synctest.Test(t, func(t *testing.T) {
			set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "set"}}
			set.Status.UpdateRevision = "web-good"
			pod := waitingPod("web-0", "CrashLoopBackOff", time.Now().Add(-time.Hour))
			pod.Labels[appsv1.ControllerRevisionHashLabelKey] = "web-bad"
			pod.OwnerReferences = []metav1.OwnerReference{
				*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet")),
			}
			clients := fake.NewClientset(set, pod)
			client := &Client{identity: podsOnly{clients: clients}, options: Options{Now: time.Now, Rollback: back}}
			client.watchPods(t.Context(), []unready{workload("StatefulSet")}, time.Now())
			synctest.Wait()
			var verbs []string
			for _, action := range clients.Actions() {
				verbs = append(verbs, action.GetVerb())
			}
			if deleted := strings.Contains(strings.Join(verbs, " "), "delete"); deleted != (back != nil) {
				t.Errorf("rollback %t: the requests are %v", back != nil, verbs)
			}
		})
	}
}

// A cluster can make up pods without an end: of them no more is kept than says that something is wrong.
func TestPodsThatAreMadeUpAreKeptUpToABound(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	w := &podWatch{
		client: &Client{options: Options{Now: time.Now}}, broken: make(chan unready, 1), starting: map[types.UID]bool{},
	}
	f := &podFollower{
		podWatch: w, object: workload("Deployment"), pulling: map[types.UID]string{}, due: map[types.UID]time.Time{},
	}
	for i := range 3 * maxStarting {
		for _, reason := range []string{"ImagePullBackOff", "ContainerCreating"} {
			pod := waitingPod(reason+fmt.Sprint(i), reason, begun)
			pod.UID = types.UID(pod.Name)
			f.observe(t.Context(), pod)
		}
	}
	if len(f.pulling) != maxPulling || len(f.due) != maxPulling || len(f.starting) != maxStarting {
		t.Errorf("%d pods that pull, %d that are due, %d that start are kept", len(f.pulling), len(f.due), len(f.starting))
	}
	long := waitingPod(strings.Repeat("x", 10*maxCause), "ImagePullBackOff", begun)
	f.pulling, f.due = map[types.UID]string{}, map[types.UID]time.Time{}
	long.UID = "long"
	f.observe(t.Context(), long)
	if got := len(f.pulling["long"]); got == 0 || got > maxCause {
		t.Errorf("a fault of %d bytes is kept", got)
	}
	long.UID = types.UID(strings.Repeat("x", maxUID+1))
	f.observe(t.Context(), long)
	if len(f.pulling) != 1 {
		t.Error("a UID that no pod has is kept")
	}
}
