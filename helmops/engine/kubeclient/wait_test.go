package kubeclient

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"fairlead.dev/fairlead/helmops/kube/tracker"
)

func TestNotReadyErrorSaysWhatIsMissing(t *testing.T) {
	tests := []struct {
		name string
		err  NotReadyError
		want string
	}{
		{
			name: "an object that failed", err: NotReadyError{Objects: []string{"Job apps/a: too often"}, Of: 4},
			want: "Job apps/a: too often",
		},
		{name: "no more time",
			err:  NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"Pod apps/a: x", "Pod apps/b: y"}, Of: 4},
			want: "2 of 4 objects not ready after 1m0s: Pod apps/a: x; Pod apps/b: y"},
		{name: "as many as are named",
			err:  NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c"}, Of: 3},
			want: "3 of 3 objects not ready after 1m0s: a; b; c"},
		{name: "more than are named",
			err:  NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c", "d", "e"}, Of: 9},
			want: "5 of 9 objects not ready after 1m0s: a; b; c; and 2 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// counted is a share of the processor that counts how often it was given back and taken again.
type counted struct {
	mu             sync.Mutex
	left, returned int
}

func (c *counted) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
}

func (c *counted) Acquire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returned++
}

// site is a cluster with one Deployment, and a client that waits for it.
type site struct {
	*testing.T
	dynamic *dynamicfake.FakeDynamicClient
	pods    *fake.Clientset
	share   *counted
	client  *Client
	end     chan error
	updates int
}

// observe returns the Deployment with a status that reports on a generation, as its controller writes it. available is
// set when it is ready.
func observe(deployment *unstructured.Unstructured, generation int64, available bool) *unstructured.Unstructured {
	out := deployment.DeepCopy()
	status := map[string]any{"observedGeneration": generation}
	if available {
		status["conditions"] = []any{map[string]any{"type": "Available", "status": "True"}}
		for _, count := range []string{"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"} {
			status[count] = int64(1)
		}
	}
	out.Object["status"] = status
	return out
}

func newSite(t *testing.T, deployment *unstructured.Unstructured, ends ...<-chan struct{}) *site {
	t.Helper()
	s := &site{T: t, pods: fake.NewClientset(), share: &counted{}, end: make(chan error, 1)}
	s.dynamic = dynamicfake.NewSimpleDynamicClient(runtime.NewScheme(), deployment)
	seen := tracker.New(t.Context(), tracker.Clients{Dynamic: s.dynamic}, tracker.Helm(), time.Now)
	kind := tracker.Kind{GVK: deployment.GroupVersionKind(), Resource: "deployments", Namespaced: true}
	if err := seen.Use(t.Context(), "apps/web", kind); err != nil {
		t.Fatal(err)
	}
	s.client = &Client{
		ctx: t.Context(), identity: podsOnly{clients: s.pods}, tracker: seen, share: share{of: s.share},
		options: Options{Now: time.Now},
	}
	if len(ends) > 0 {
		s.client.options.Superseded = ends[0]
		s.client.options.Cancelled = ends[1]
	}
	info := workload("Deployment").info
	info.Mapping.GroupVersionKind = kind.GVK
	go func() { s.end <- s.client.Wait(kube.ResourceList{info}, time.Hour) }()
	return s
}

func (s *site) update(deployment *unstructured.Unstructured) {
	s.Helper()
	deployments := deployment.GroupVersionKind().GroupVersion().WithResource("deployments")
	deployment = deployment.DeepCopy()
	s.updates++
	deployment.SetResourceVersion(strconv.Itoa(1000 + s.updates)) // the tracker takes no version twice
	_, err := s.dynamic.Resource(deployments).Namespace("apps").Update(s.Context(), deployment, metav1.UpdateOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

// is fails when the share was not given back as often, or pods were not asked for as often, as it should be by now.
func (s *site) is(when string, left, pods int) {
	s.Helper()
	synctest.Wait()
	s.share.mu.Lock()
	defer s.share.mu.Unlock()
	if asked := len(s.pods.Actions()); s.share.left != left || asked != pods {
		s.Errorf("%s: the share was given back %d times, and there were %d requests for pods; want %d and %d",
			when, s.share.left, asked, left, pods)
	}
}

// An action works, and keeps its share, until the controllers of the cluster have observed what it wrote.
func TestAWaitKeepsItsShareUntilItsObjectsAreObserved(t *testing.T) {
	t.Parallel()
	written := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"namespace": "apps", "name": "web", "generation": int64(2)},
		"spec":     map[string]any{"replicas": int64(1)},
	}}
	written.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
	tests := []struct {
		name string
		// at is the state in which the wait finds the Deployment.
		at *unstructured.Unstructured
		// then happens before podsAfter.
		then *unstructured.Unstructured
		// left is how often the share was given back: in the beginning, then, and after podsAfter.
		left [3]int
		// pods is whether the pods are watched after podsAfter.
		pods bool
	}{
		{name: "not observed", at: observe(written, 1, true), left: [3]int{0, 0, 1}},
		{name: "without any status", at: written, left: [3]int{0, 0, 1}},
		{name: "observed before", at: observe(written, 2, false), left: [3]int{1, 1, 1}, pods: true},
		{name: "observed then", at: observe(written, 1, true), then: observe(written, 2, false),
			left: [3]int{0, 1, 1}, pods: true},
		{name: "ready then", at: observe(written, 1, true), then: observe(written, 2, true)},
		{name: "ready before", at: observe(written, 2, true)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				if tt.pods {
					requests = 2 // a list and a watch
				}
				s := newSite(t, tt.at)
				s.is("in the beginning", tt.left[0], 0)
				if tt.then != nil {
					s.update(tt.then)
				}
				s.is("then", tt.left[1], 0)
				time.Sleep(podsAfter)
				s.is("after a while", tt.left[2], requests)
				s.update(observe(written, 2, true))
				if err := <-s.end; err != nil {
					t.Error(err)
				}
				s.is("at the end", tt.left[2], requests)
				if s.share.returned != s.share.left {
					t.Errorf("taken again %d times, and given back %d times", s.share.returned, s.share.left)
				}
			})
		})
	}
}

// Whether a revision failed because other inputs were wanted, or because a user cancelled it, is known from the client,
// not from the text of its error. A user who cancels has both channels closed.
func TestAWaitThatIsEndedIsNoted(t *testing.T) {
	t.Parallel()
	written := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"namespace": "apps", "name": "web", "generation": int64(2)},
		"spec":     map[string]any{"replicas": int64(1)},
	}}
	written.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
	for _, by := range []string{"superseded", "cancelled", "ready"} {
		synctest.Test(t, func(t *testing.T) {
			superseded, cancelled := make(chan struct{}), make(chan struct{})
			s := newSite(t, observe(written, 1, false), superseded, cancelled)
			synctest.Wait()
			switch by {
			case "superseded":
				close(superseded)
			case "cancelled":
				close(cancelled)
				close(superseded)
			default:
				s.update(observe(written, 2, true))
			}

			err := <-s.end
			var cancelledError *CancelledError
			isSuperseded, isCancelled := errors.Is(err, ErrSuperseded), errors.As(err, &cancelledError)
			if isSuperseded != (by == "superseded") || s.client.Superseded() != isSuperseded ||
				isCancelled != (by == "cancelled") || (s.client.Cancelled() != nil) != isCancelled {
				t.Errorf("%s: the wait ended with %v", by, err)
			}
			if isCancelled && !strings.Contains(err.Error(), "1 of 1 objects were not ready: Deployment apps/web: ") {
				t.Errorf("the error does not say what was waited for: %s", err)
			}
		})
	}
}

// A user who cancels ends the wait for a hook, which a newer desired state does not.
func TestACancelEndsTheWaitForAHook(t *testing.T) {
	t.Parallel()
	job := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"namespace": "apps", "name": "migrate"},
	}}
	synctest.Test(t, func(t *testing.T) {
		superseded, cancelled := make(chan struct{}), make(chan struct{})
		c := &Client{
			ctx: t.Context(), share: share{of: &counted{}},
			identity: hooked{dynamic: dynamicfake.NewSimpleDynamicClient(runtime.NewScheme(), job)},
			options:  Options{Now: time.Now, Superseded: superseded, Cancelled: cancelled},
		}
		info := workload("Job").info
		info.Name = "migrate"
		info.Mapping.GroupVersionKind = job.GroupVersionKind()
		info.Mapping.Resource = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
		end := make(chan error, 1)
		go func() { end <- c.WatchUntilReady(kube.ResourceList{info}, time.Hour) }()
		close(superseded)
		synctest.Wait()
		select {
		case err := <-end:
			t.Fatalf("a newer desired state has ended the wait: %v", err)
		default:
		}

		close(cancelled)
		err := <-end
		var cancelledError *CancelledError
		if !errors.As(err, &cancelledError) || c.Cancelled() != cancelledError {
			t.Fatalf("the wait ended with %v", err)
		}
		if !strings.Contains(err.Error(), "a user cancelled it while Job apps/migrate had not ended: ") {
			t.Errorf("the error does not say what was waited for: %s", err)
		}
	})
}

// hooked reads objects of hooks.
type hooked struct {
	Identity
	dynamic dynamic.Interface
}

func (h hooked) Dynamic() dynamic.Interface { return h.dynamic }
