package loop

import (
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A handler that asks for a reconcile sooner than leastRequeue gets one then. Each request is counted, and an object
// that keeps asking is logged once.
func TestRequeuesHaveAFloor(t *testing.T) {
	t.Parallel()
	again := time.Millisecond
	asks := func(*v1beta1.HelmRelease) (time.Duration, error) { return again, nil }
	f := newFixture(t, &handlerFake{reconcile: asks}, release(v1beta1.Finalizer))
	f.requeues.kind = t.Name()
	var logged []string
	logger := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
	ctx := log.IntoContext(t.Context(), logger)
	reconcile := func() time.Duration {
		t.Helper()
		result, err := f.Reconcile(ctx, ctrl.Request{NamespacedName: web})
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter
	}

	for range suspicious - 1 {
		if got := reconcile(); got != leastRequeue {
			t.Errorf("it is reconciled again in %s, want %s", got, leastRequeue)
		}
	}
	if len(logged) != 0 {
		t.Errorf("a few short pauses were logged: %q", logged)
	}
	for range 5 {
		reconcile()
	}
	if len(logged) != 1 {
		t.Errorf("logged %q, want one line", logged)
	}
	if got := counterOf(t, "fairlead_raised_requeues_total", t.Name()); got != suspicious-1+5 {
		t.Errorf("%v requeues were counted as raised, want %d", got, suspicious-1+5)
	}

	for _, fine := range []time.Duration{0, leastRequeue, time.Hour} {
		again = fine
		if got := reconcile(); got != fine {
			t.Errorf("it is reconciled again in %s, want %s", got, fine)
		}
	}
	if got := counterOf(t, "fairlead_raised_requeues_total", t.Name()); got != suspicious-1+5 {
		t.Errorf("%v requeues were counted as raised, want no more than before", got)
	}
	if got := counterOf(t, "fairlead_object_reconciles_total", t.Name()); got != suspicious-1+5+3 {
		t.Errorf("%v reconciles were counted, want %d", got, suspicious-1+5+3)
	}
}

// What is counted of an object goes with the object.
func TestTheCounterOfAnObjectGoesWithIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &handlerFake{})
	f.requeues.kind = t.Name()
	if _, err := f.run(t); err != nil {
		t.Fatal(err)
	}
	if reconciles().DeleteLabelValues(t.Name(), web.Namespace, web.Name) {
		t.Error("an object that does not exist has a counter")
	}
}

// counterOf returns the value of a counter of a kind.
func counterOf(t *testing.T, name, kind string) (value float64) {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "kind" && label.GetValue() == kind {
					value += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return value
}
