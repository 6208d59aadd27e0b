package loop

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
)

// follower asks for an effect in each Reconcile.
type follower struct {
	fixture *fixture
	// fails is the error of Reconcile.
	fails error
	// acted is what the API server had when the effect took place.
	acted []int64
}

func (f *follower) Reconcile(ctx context.Context, hr *v1beta1.HelmRelease) (time.Duration, error) {
	hr.Status.Failures = 7
	Then(ctx, func(ctx context.Context) {
		stored := &v1beta1.HelmRelease{}
		if err := f.fixture.client.Get(ctx, web, stored); err == nil {
			f.acted = append(f.acted, stored.Status.Failures)
		}
	})
	return time.Second, f.fails
}

func (f *follower) Finalize(context.Context, *v1beta1.HelmRelease) (bool, time.Duration, error) {
	return true, 0, nil
}

func (f *follower) Forget(types.NamespacedName) {}

// An effect that was asked for takes place after the status was written, and never when it was not.
func TestThenFollowsTheStatus(t *testing.T) {
	t.Parallel()
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "helmreleases"}, web.Name)
	for _, tt := range []struct {
		name    string
		refuses error
		fails   error
		acted   int
	}{
		{"the status is written", nil, nil, 1},
		{"the API server refuses the status", errSentinel, nil, 0},
		{"the object was deleted meanwhile", gone, nil, 0},
		{"the Reconcile fails", nil, errSentinel, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, &handlerFake{}, release(v1beta1.Finalizer))
			h := &follower{fixture: f, fails: tt.fails}
			f.reconciler.handler = h
			f.before = func(string) error { return tt.refuses }
			result, _ := f.Reconcile(t.Context(), ctrl.Request{NamespacedName: web})
			if len(h.acted) != tt.acted || tt.acted > 0 && h.acted[0] != 7 {
				t.Fatalf("it acted with %v stored", h.acted)
			}
			if tt.acted == 0 {
				return
			}
			if result.Priority == nil || *result.Priority != last || result.RequeueAfter != time.Second {
				t.Errorf("the rest is done with %+v", result)
			}
		})
	}
}

// What was written is kept until the cache has it, and no longer: in either order of the event and the answer.
func TestWhatTheCacheHasIsNotKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{reconcile: observe}, release(v1beta1.Finalizer))
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	if n := len(f.written.objects); n != 0 {
		t.Errorf("%d objects are kept although the cache has them", n)
	}
	var w Written[*v1beta1.HelmRelease]
	events := releases(&w)
	w.Remember(versioned("7", "a", "own"))
	for _, tt := range []struct {
		cached *v1beta1.HelmRelease
		kept   int
	}{{versioned("6", "a", "cache"), 1}, {versioned("7", "a", "cache"), 0}} {
		if !events.Update(event.UpdateEvent{ObjectNew: tt.cached}) || len(w.objects) != tt.kept {
			t.Errorf("with %s in the cache %d are kept", tt.cached.ResourceVersion, len(w.objects))
		}
	}
}
