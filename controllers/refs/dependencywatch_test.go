package refs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/kube/cluster"
)

var deployments = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}

// scripted is a cluster whose objects and faults a test sets.
type scripted struct {
	mu      sync.Mutex
	started []string // identity and name of every watch so far
	open    map[string]chan any
}

func newScripted() *scripted { return &scripted{open: map[string]chan any{}} }

func (s *scripted) Follow(ctx context.Context, access cluster.Access, _ schema.GroupVersionKind,
	key types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error)) error {
	name := access.User + string(access.Kubeconfig) + " " + key.Name
	news := make(chan any)
	s.mu.Lock()
	s.started = append(s.started, name)
	s.open[name] = news
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, name)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-news:
			if err, ok := event.(error); ok {
				return err
			}
			object, _ := event.(*unstructured.Unstructured)
			if _, err := see(object); err != nil {
				return err
			}
		}
	}
}

// happen has a watch see an object, or end with an error.
func (s *scripted) happen(t *testing.T, name string, event any) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	news := s.open[name]
	s.mu.Unlock()
	if news == nil {
		t.Fatalf("nobody watches %q", name)
	}
	news <- event
	synctest.Wait()
}

func (s *scripted) watched() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.open))
	for name := range s.open {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// observed is a dependency watcher over a scripted cluster, with what it woke.
type observed struct {
	*DependencyWatcher
	*scripted
	mu    sync.Mutex
	woken []string
}

func newObserved(ctx context.Context) *observed {
	w := &observed{scripted: newScripted()}
	w.DependencyWatcher = NewDependencyWatcher(ctx, w.scripted, func(key types.NamespacedName) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.woken = append(w.woken, key.Name)
	}, time.Now)
	return w
}

// took returns who was woken since the last call, sorted.
func (w *observed) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken := w.woken
	w.woken = nil
	slices.Sort(woken)
	return woken
}

func (w *observed) see(waiter, user, object string) ObservedState {
	return w.Look(inApps(waiter), cluster.Access{User: user}, deployments, inApps(object))
}

func deployment(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(deployments)
	object.SetNamespace("apps")
	object.SetName(name)
	return object
}

func TestOneWatchForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newObserved(t.Context())
		for _, waiter := range []string{"a", "b"} {
			if seen := w.see(waiter, "u", "db"); seen.Known || seen.Err != nil {
				t.Errorf("before it was read, %+v is known", seen)
			}
		}
		w.see("c", "other", "db")
		if got, want := w.watched(), []string{"other db", "u db"}; !slices.Equal(got, want) {
			t.Fatalf("watches %v, want %v", got, want)
		}
		w.happen(t, "u db", nil)
		if got := w.took(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("woken %v", got)
		}
		if seen := w.see("a", "u", "db"); !seen.Known || seen.Object != nil {
			t.Errorf("an object that does not exist: %+v", seen)
		}
		w.happen(t, "u db", deployment("db"))
		if seen := w.see("b", "u", "db"); !seen.Known || seen.Object == nil || seen.Object.GetName() != "db" {
			t.Errorf("%+v", seen)
		}
		if len(w.started) != 2 {
			t.Errorf("watches were started for %v", w.started)
		}
	})
}

func TestAWatchEndsWithItsLastWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newObserved(t.Context())
		for _, waiter := range []string{"a", "b"} {
			end := w.Track(inApps(waiter))
			w.see(waiter, "", "db")
			w.see(waiter, "", "queue")
			end()
		}
		end := w.Track(inApps("a"))
		w.see("a", "", "db")
		end() // no longer for the queue
		w.Track(inApps("b"))()
		if got := w.watched(); !slices.Equal(got, []string{" db"}) {
			t.Errorf("watches %v, want the one for which a waits", got)
		}
		w.happen(t, " db", deployment("db"))
		if got := w.took(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("woken %v", got)
		}
		w.Forget(inApps("a"))
		if got := w.watched(); len(got) != 0 || len(w.views) != 0 || len(w.turns) != 0 {
			t.Errorf("watches %v, %d views, %d turns are left", got, len(w.views), len(w.turns))
		}
		if seen := w.see("a", "", "db"); seen.Known {
			t.Error("what was known before is told again")
		}
	})
}

func TestAFailedWatchIsTriedAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newObserved(t.Context())
		unknown := &meta.NoKindMatchError{GroupKind: deployments.GroupKind()}
		w.see("a", "", "db")
		for i, pause := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			w.happen(t, " db", unknown)
			if got := w.took(); !slices.Equal(got, []string{"a"}) {
				t.Fatalf("woken %v", got)
			}
			time.Sleep(time.Second)
			seen := w.see("a", "", "db")
			if !errors.Is(seen.Err, unknown) || seen.Pause != pause || seen.Left != pause-time.Second {
				t.Fatalf("%+v, want a pause of %s", seen, pause)
			}
			if len(w.watched()) != 0 || len(w.started) != i+1 {
				t.Fatalf("it was tried %d times, %v are open", len(w.started), w.watched())
			}
			time.Sleep(seen.Left)
			w.see("a", "", "db")
		}
		w.happen(t, " db", deployment("db"))
		if seen := w.see("a", "", "db"); seen.Err != nil || seen.Object == nil {
			t.Errorf("%+v", seen)
		}
		w.happen(t, " db", errSentinel)
		if seen := w.see("a", "", "db"); seen.Pause != firstPause {
			t.Errorf("after a success the pause is %s", seen.Pause)
		}
		for range 20 {
			time.Sleep(lastPause)
			w.see("a", "", "db")
			w.happen(t, " db", errSentinel)
		}
		if seen := w.see("a", "", "db"); seen.Pause != lastPause {
			t.Errorf("the pause grows to %s", seen.Pause)
		}
	})
}
