package loop

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// TaskBuckets suit what takes from milliseconds to many minutes.
var TaskBuckets = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

var ready = sync.OnceValue(func() *prometheus.GaugeVec {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fairlead_object_ready",
		Help: "Whether an object is Ready: 1 for True, 0 for False, -1 while unknown or held at a revision that a user asked for.",
	}, []string{"kind", "namespace", "name"})
	metrics.Registry.MustRegister(gauge)
	return gauge
})

var reconciles = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_object_reconciles_total",
		Help: "Reconciles of an object.",
	}, []string{"kind", "namespace", "name"})
	metrics.Registry.MustRegister(counter)
	return counter
})

var raisedRequeues = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_raised_requeues_total",
		Help: "Requeues that were asked for sooner than the controller allows, and were put off until then.",
	}, []string{"kind"})
	metrics.Registry.MustRegister(counter)
	return counter
})

// readiness keeps the gauge of one kind.
type readiness struct {
	kind string
}

func (r readiness) observe(object Object) {
	key := client.ObjectKeyFromObject(object)
	ready().WithLabelValues(r.kind, key.Namespace, key.Name).Set(readyValue(object))
}

// readyValue is the value of the gauge: 1 for Ready, 0 for not Ready, and -1 while that is unknown. An object that a user
// holds at a former revision has -1, too: it is not Ready, and no alert should fire for it.
func readyValue(object v1beta1.Conditioned) float64 {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	switch {
	case ready == nil, ready.Status == metav1.ConditionUnknown, status.IsHeld(object):
		return -1
	case ready.Status == metav1.ConditionTrue:
		return 1
	default:
		return 0
	}
}

func (r readiness) forget(key types.NamespacedName) {
	ready().DeleteLabelValues(r.kind, key.Namespace, key.Name)
}
