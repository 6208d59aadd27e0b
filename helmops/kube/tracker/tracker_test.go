package tracker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/helmops/kube/health"
)

func use(t *testing.T, tracker *Tracker, owner string, kinds ...Kind) {
	t.Helper()
	if err := tracker.Use(t.Context(), owner, kinds...); err != nil {
		t.Fatal(err)
	}
}

func TestObjectsAreFollowed(t *testing.T) {
	t.Parallel()
	for name, noStream := range map[string]bool{"streaming lists": false, "plain lists": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.noStream = noStream
			server.put(deployments, managed(t, deployments, "first"))
			server.put(configMaps, managed(t, configMaps, "settings"))
			tracker, _ := newTracker(t, server)
			if tracker.Tracks(deployments.GVK) {
				t.Error("a kind is tracked that nobody uses")
			}
			use(t, tracker, "apps/web", deployments, configMaps)
			if !tracker.Tracks(deployments.GVK) || !tracker.Tracks(configMaps.GVK) || tracker.Tracks(widgets.GVK) {
				t.Error("not the kinds in use are tracked")
			}
			entry, ok := tracker.Get(ref(deployments, "first"))
			if !ok || entry.Release != "web" || entry.UID != "first-1" || entry.Ready.State != health.InProgress {
				t.Errorf("the Deployment is %v, %+v", ok, entry)
			}
			if _, ok := tracker.Get(ref(configMaps, "settings")); !ok {
				t.Error("the ConfigMap is not known")
			}
			server.put(deployments, managed(t, deployments, "second"))
			until(t, tracker, ref(deployments, "second"), "it appeared", func(_ Entry, ok bool) bool { return ok })
			server.drop(deployments, "apps", "second", false)
			until(t, tracker, ref(deployments, "second"), "it went", func(_ Entry, ok bool) bool { return !ok })
		})
	}
}

func TestContentOfStatelessKindsIsNotAskedFor(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments, configMaps)
	server.mu.Lock()
	defer server.mu.Unlock()
	for _, accept := range server.accepts {
		if bare := strings.Contains(accept, "PartialObjectMetadata"); bare != strings.HasPrefix(accept, "configmaps") {
			t.Errorf("asked for %s", accept)
		}
	}
	for _, request := range server.requests {
		if !strings.Contains(request, "labelSelector=app.kubernetes.io%2Fmanaged-by%3DHelm") {
			t.Errorf("asked for more than Helm manages: %s", request)
		}
	}
}

func TestUseAgainCostsNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments, configMaps)
	before := server.count("")
	for range 100 {
		use(t, tracker, "apps/web", configMaps, deployments, deployments)
		use(t, tracker, "apps/other", deployments)
	}
	if after := server.count(""); after != before {
		t.Errorf("%d requests more", after-before)
	}
}

func TestUnusedKindsAreDroppedLater(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.put(deployments, managed(t, deployments, "web"))
	tracker, clock := newTracker(t, server)
	use(t, tracker, "apps/web", deployments, configMaps)
	use(t, tracker, "apps/other", deployments)
	use(t, tracker, "apps/web", configMaps) // in place of what it needed before
	clock.pass(linger)
	tracker.sweep()
	if !tracker.Tracks(deployments.GVK) {
		t.Fatal("a kind that another owner needs was dropped")
	}
	tracker.Drop("apps/other")
	tracker.Drop("apps/other")
	tracker.Drop("nobody")
	clock.pass(linger - 1)
	tracker.sweep()
	if !tracker.Tracks(deployments.GVK) {
		t.Fatal("a kind was dropped at once")
	}
	clock.pass(1)
	tracker.sweep()
	if _, ok := tracker.Get(ref(deployments, "web")); ok || tracker.Tracks(deployments.GVK) ||
		!tracker.Tracks(configMaps.GVK) {
		t.Error("not the unused kind was dropped")
	}
	use(t, tracker, "apps/web", deployments)
	if _, ok := tracker.Get(ref(deployments, "web")); !ok {
		t.Error("it is not watched anew")
	}
}

func TestRefusedKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code int
		is   func(error) bool
		// again: Use asks again without a pause.
		again bool
	}{
		{http.StatusForbidden, apierrors.IsForbidden, false},
		{http.StatusUnauthorized, apierrors.IsUnauthorized, false},
		{http.StatusMethodNotAllowed, apierrors.IsMethodNotSupported, false},
		{http.StatusNotFound, apierrors.IsNotFound, true},
	}
	for _, tt := range tests {
		t.Run(http.StatusText(tt.code), func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.answer["deployments"] = tt.code
			tracker, clock := newTracker(t, server)
			err := tracker.Use(t.Context(), "apps/web", deployments, configMaps)
			refused := (*RefusedError)(nil)
			if !errors.As(err, &refused) || refused.Kind != deployments || !tt.is(refused) {
				t.Fatalf("got %v", err)
			}
			if tracker.Tracks(deployments.GVK) || !tracker.Tracks(configMaps.GVK) {
				t.Error("the refused kind is tracked, or the other is not")
			}
			server.set(func() { server.answer["deployments"] = 0 })
			if !tt.again {
				if err := tracker.Use(t.Context(), "apps/web", deployments, configMaps); !errors.As(err, &refused) {
					t.Fatalf("it does not stand: %v", err)
				}
				if n := server.count("deployments"); n != 1 {
					t.Errorf("asked %d times", n)
				}
				clock.pass(refusalStands)
			}
			use(t, tracker, "apps/web", deployments, configMaps)
			if !tracker.Tracks(deployments.GVK) {
				t.Error("it is not tracked after the right was given")
			}
		})
	}
}

func TestUseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.held, server.waiting = make(chan struct{}), make(chan struct{})
	tracker, _ := newTracker(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-server.waiting; cancel() }()
	if err := tracker.Use(ctx, "apps/web", deployments); !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "deployments.apps") {
		t.Errorf("got %v", err)
	}
	close(server.held)
}

func TestACutStreamGoesOn(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]bool{"where it was": false, "with a new list": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newServer(t)
			server.put(deployments, managed(t, deployments, "kept"))
			server.put(deployments, managed(t, deployments, "lost"))
			tracker, _ := newTracker(t, server)
			use(t, tracker, "apps/web", deployments)
			server.bookmark(deployments)
			server.put(deployments, managed(t, deployments, "early")) // a stream without events is not resumed
			until(t, tracker, ref(deployments, "early"), "it appeared", func(_ Entry, ok bool) bool { return ok })
			if expire {
				server.drop(deployments, "apps", "lost", true)
			}
			restarts := Restarts()
			server.cut(expire)
			server.put(deployments, managed(t, deployments, "new"))
			until(t, tracker, ref(deployments, "new"), "it appeared", func(_ Entry, ok bool) bool { return ok })
			if expire {
				until(t, tracker, ref(deployments, "lost"), "the list did not have it", func(_ Entry, ok bool) bool { return !ok })
			}
			if _, ok := tracker.Get(ref(deployments, "kept")); !ok || !tracker.Tracks(deployments.GVK) {
				t.Error("what is there was forgotten")
			}
			if Restarts() == restarts || Streams() == 0 {
				t.Errorf("%d restarts are counted, as before the stream was cut, and %d streams", Restarts(), Streams())
			}
			lists := server.count("sendInitialEvents")
			if want := map[bool]int{false: 1, true: 2}[expire]; lists != want {
				t.Errorf("%d lists, want %d", lists, want)
			}
		})
	}
}

func TestALostConnectionIsTrustedForAWhile(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.put(deployments, managed(t, deployments, "web"))
	tracker, clock := newTracker(t, server)
	use(t, tracker, "apps/web", deployments)
	changed, cancel := tracker.Watch([]Ref{ref(deployments, "absent")})
	defer cancel()
	server.set(func() { server.answer["deployments"] = http.StatusInternalServerError; server.streams++ })
	<-server.refused
	<-server.refused // the answer before was taken in
	if !tracker.Tracks(deployments.GVK) {
		t.Error("it is not trusted at all")
	}
	clock.pass(trusted + 1)
	<-changed
	if _, ok := tracker.Get(ref(deployments, "web")); tracker.Tracks(deployments.GVK) || !ok {
		t.Error("it is trusted for ever, or forgotten")
	}
	server.set(func() { server.answer["deployments"] = 0 })
	for !tracker.Tracks(deployments.GVK) {
		<-changed
	}
}

func TestAKindThatIsNotServedAnyMore(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.put(widgets, managed(t, widgets, "web"))
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", widgets)
	server.set(func() { server.answer["widgets"] = http.StatusNotFound; server.streams++ })
	until(t, tracker, ref(widgets, "web"), "its kind is gone", func(_ Entry, ok bool) bool { return !ok })
	if tracker.Tracks(widgets.GVK) {
		t.Error("the kind is tracked")
	}
	<-tracker.stream(widgets.GVK).ended
	before := server.count("widgets")
	server.set(func() { server.answer["widgets"] = 0 })
	use(t, tracker, "apps/web", widgets)
	if _, ok := tracker.Get(ref(widgets, "web")); !ok || server.count("widgets") != before+1 {
		t.Errorf("known: %v, after %d requests", ok, server.count("widgets")-before)
	}
}

func TestAWriteDuringTheFirstListStays(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.held, server.waiting = make(chan struct{}), make(chan struct{})
	tracker, _ := newTracker(t, server)
	done := make(chan error, 1)
	go func() { done <- tracker.Use(t.Context(), "apps/web", deployments) }()
	<-server.waiting
	written := managed(t, deployments, "web")
	written.SetResourceVersion("1000")
	tracker.Wrote(deployments, written, 7)
	close(server.held)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if entry, ok := tracker.Get(ref(deployments, "web")); !ok || entry.Payload != 7 {
		t.Errorf("it is %v, %+v", ok, entry)
	}
}

func TestSubscribersMayCallTheTracker(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	var mu sync.Mutex
	heard := map[Ref]int{}
	tracker.Subscribe(func(change Change) {
		ref := change.Ref
		_, _ = tracker.Get(ref)
		_, cancel := tracker.Watch([]Ref{ref})
		cancel()
		mu.Lock()
		defer mu.Unlock()
		heard[ref]++
	})
	use(t, tracker, "apps/web", deployments)
	answer := server.put(deployments, managed(t, deployments, "web"))
	until(t, tracker, ref(deployments, "web"), "it appeared", func(_ Entry, ok bool) bool { return ok })
	tracker.Wrote(deployments, answer, 7)
	mu.Lock()
	defer mu.Unlock()
	if len(heard) != 1 || heard[ref(deployments, "web")] < 1 {
		t.Errorf("heard %v", heard)
	}
}

func TestWatchesAreCoalescedAndEnd(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments)
	changed, cancel := tracker.Watch([]Ref{ref(deployments, "web"), ref(deployments, "web"), ref(configMaps, "web")})
	write := func(version string) {
		object := managed(t, deployments, "web")
		object.SetResourceVersion(version)
		tracker.Wrote(deployments, object, 1)
	}
	write("1001")
	write("1002")
	if len(changed) != 1 {
		t.Fatalf("%d receipts for two changes", len(changed))
	}
	<-changed
	write("1002")
	if len(changed) != 0 {
		t.Error("a receipt for no change")
	}
	cancel()
	cancel()
	write("1003")
	if len(changed) != 0 || len(tracker.watchers.byObject) != 0 {
		t.Error("it goes on after cancel")
	}
}

func TestWroteIgnoresWhatIsNotTracked(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments)
	hook := managed(t, deployments, "hook")
	hook.SetLabels(nil)
	hook.SetResourceVersion("1000")
	tracker.Wrote(deployments, hook, 1)
	tracker.Wrote(widgets, managed(t, widgets, "web"), 1)
	_, known := tracker.Get(ref(deployments, "hook"))
	_, other := tracker.Get(ref(widgets, "web"))
	if known || other {
		t.Errorf("known: %v, %v", known, other)
	}
}

func TestAnAnswerWithoutStatus(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", widgets, configMaps)
	bare := func(kind Kind, version string, generation int64) *unstructured.Unstructured {
		object := managed(t, kind, "web")
		object.SetAPIVersion("meta.k8s.io/v1")
		object.SetKind("PartialObjectMetadata")
		object.SetResourceVersion(version)
		object.SetGeneration(generation)
		return object
	}
	state := func(kind Kind) health.State {
		entry, _ := tracker.Get(ref(kind, "web"))
		return entry.Ready.State
	}
	tracker.Wrote(widgets, bare(widgets, "1000", 1), 1)
	tracker.Wrote(configMaps, bare(configMaps, "1001", 1), 1)
	if state(widgets) != health.InProgress || state(configMaps) != health.Current {
		t.Errorf("at first %s and %s", state(widgets), state(configMaps))
	}
	server.set(func() { server.version = 1001 })
	server.put(widgets, managed(t, widgets, "web"))
	until(t, tracker, ref(widgets, "web"), "it is current", func(e Entry, _ bool) bool {
		return e.Ready.State == health.Current && e.Payload == 1
	})
	tracker.Wrote(widgets, bare(widgets, "1003", 1), 2)
	if state(widgets) != health.Current {
		t.Error("the health of the same generation was forgotten")
	}
	tracker.Wrote(widgets, bare(widgets, "1004", 2), 2)
	if state(widgets) != health.InProgress {
		t.Error("a new generation has the health of the old")
	}
}
