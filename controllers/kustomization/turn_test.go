package kustomization

import (
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
)

// queueing is a handler that builds one Kustomization at a time. It counts how often it is woken.
func queueing(t *testing.T, woken *int) *handler {
	t.Helper()
	return &handler{
		tasks:  loop.NewTasks[actionResult](t.Context(), func(types.NamespacedName) { *woken++ }, time.Now),
		events: events.NewFakeRecorder(10), now: time.Now, builds: fair.New(1, 1), remoteBuilds: fair.New(1, 1),
		awaited: map[types.NamespacedName]bool{}, audited: map[types.NamespacedName]time.Time{},
		fightBackoff: map[types.NamespacedName]time.Time{}, jitter: func(d time.Duration, _ float64) time.Duration {
			return d
		},
	}
}

func TestAKustomizationThatIsChangedBeforeItsTurnLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		woken := 0
		h := queueing(t, &woken)
		k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
		look := func() {
			pass := h.observe(t.Context(), k)
			h.act(pass, plan.Decide(pass.desired, pass.observed, h.now()))
		}
		other, err := h.builds.Take(t.Context(), "apps")
		if err != nil {
			t.Fatal(err)
		}
		h.start(k, inputs{digest: "sha256:1"}, plan.Plan{Step: plan.Apply})
		synctest.Wait()
		look()
		synctest.Wait()
		if h.waiting() != 1 || woken != 0 {
			t.Fatalf("%d attempts wait, %d have ended, want the one that waits", h.waiting(), woken)
		}
		k.Generation = 2
		look()
		synctest.Wait()
		h.collectResult(t.Context(), k)
		if h.waiting() != 0 || woken != 1 || k.Status.Failures != 0 || k.Status.LastAttemptedDigest != "" {
			t.Errorf("%d attempts wait, %d have ended; status %+v", h.waiting(), woken, k.Status)
		}
		if !h.awaited[client.ObjectKeyFromObject(k)] || len(h.turns.of) != 0 {
			t.Error("the attempt is not due any more, or its turn is remembered")
		}
		other.Close()
		if held, _, _ := h.builds.Count(); held != 0 {
			t.Errorf("%d places are held at the end", held)
		}
	})
}
