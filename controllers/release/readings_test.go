package release

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
)

// farEngine answers for some namespaces immediately and for the others not at all.
type farEngine struct {
	release.Engine
	answers map[string]bool

	mu    sync.Mutex
	asked []string
}

func (e *farEngine) timesAsked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

func (e *farEngine) History(ctx context.Context, access cluster.Access, target plan.Target) ([]plan.Record, error) {
	e.mu.Lock()
	e.asked = append(e.asked, target.Name)
	answers := e.answers[access.Namespace]
	e.mu.Unlock()
	if !answers {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return []plan.Record{{Version: 7}}, nil
}

func far(namespace string) cluster.Access {
	return cluster.Access{Namespace: namespace, Kubeconfig: []byte("kubeconfig of " + namespace)}
}

func isLooking(err error) bool {
	var looking *refs.PendingReadError
	return errors.As(err, &looking)
}

func TestAClusterThatDoesNotAnswerKeepsAWorkerForAMomentOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &farEngine{answers: map[string]bool{}}
		woken := make(chan types.NamespacedName, 10)
		r := newReadings(t.Context(), engine, func(key types.NamespacedName) { woken <- key }, time.Now)
		bad := types.NamespacedName{Namespace: "attacker", Name: "far"}
		began := time.Now() // of the bubble, which moves only while everybody waits
		for range 100 {
			if _, err := r.of(bad).History(t.Context(), far("attacker"), plan.Target{Name: "far"}); !isLooking(err) {
				t.Fatalf("error = %v", err)
			}
		}
		if waited := time.Since(began); waited != moment {
			t.Errorf("the workers waited for %s in 100 looks, want one moment of %s", waited, moment)
		}
		if asked := engine.timesAsked(); asked != 1 {
			t.Errorf("the cluster was asked %d times", asked)
		}
		if key := <-woken; key != bad {
			t.Errorf("woke %s", key)
		}
		if _, err := r.of(bad).History(t.Context(), far("attacker"), plan.Target{Name: "far"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the end of the reading the error is %v", err)
		}
		r.clear(bad)
	})
}

func TestManyClustersThatDoNotAnswerHoldUpOnlyTheirNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &farEngine{answers: map[string]bool{"quiet": true}}
		r := newReadings(t.Context(), engine, func(types.NamespacedName) {}, time.Now)
		began := time.Now() // of the bubble, which moves only while everybody waits
		for i := range 100 {
			name := fmt.Sprint("far-", i)
			_, _ = r.of(types.NamespacedName{Namespace: "attacker", Name: name}).History(t.Context(), far("attacker"), plan.Target{Name: name})
		}
		if waited := time.Since(began); waited > patientReadings*moment {
			t.Errorf("the workers waited for %s, want %d moments at most", waited, patientReadings)
		}
		synctest.Wait() // the attacker holds what it can
		records, err := r.of(types.NamespacedName{Namespace: "quiet", Name: "web"}).History(t.Context(), far("quiet"), plan.Target{Name: "web"})
		if err != nil || len(records) != 1 {
			t.Errorf("the neighbour got %v, %v", records, err)
		}
		if held, _ := r.shares.Held("attacker"); held > readingsPerNamespace {
			t.Errorf("%d readings of the attacker are under way", held)
		}
		time.Sleep(100 * readingTimeout)
		if len(r.underWay) != 0 {
			t.Errorf("after the end of all, %v are under way", r.underWay)
		}
	})
}

func TestWhatWasReadCountsUntilItIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		engine := &farEngine{answers: map[string]bool{"apps": true}}
		r := newReadings(t.Context(), engine, func(types.NamespacedName) {}, time.Now)
		web := types.NamespacedName{Namespace: "apps", Name: "web"}
		look := func() {
			t.Helper()
			if records, err := r.of(web).History(t.Context(), far("apps"), plan.Target{Name: "web"}); err != nil || len(records) != 1 {
				t.Errorf("got %v, %v", records, err)
			}
		}
		look()
		look()
		if asked := engine.timesAsked(); asked != 1 {
			t.Errorf("one look asked %d times", asked)
		}
		r.clear(web)
		look()
		if asked := engine.timesAsked(); asked != 2 {
			t.Errorf("the next look asked %d times in all, want 2", asked)
		}
		time.Sleep(readingCounts)
		look()
		if asked := engine.timesAsked(); asked != 3 {
			t.Errorf("what is out of date was used: %d times asked", asked)
		}
	})
}
