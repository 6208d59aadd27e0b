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

var objectCondition = sync.OnceValue(func() *prometheus.GaugeVec {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fairlead_object_condition",
		Help: "The condition Ready of an object: 1 for the status that it has, 0 for the others. Held at a revision of a " +
			"user counts as unknown.",
	}, []string{"kind", "namespace", "name", "condition", "status"})
	metrics.Registry.MustRegister(gauge)
	return gauge
})

// The values of the label status.
const (
	isTrue    = "true"
	isFalse   = "false"
	isUnknown = "unknown"
)

var conditionStatuses = []string{isTrue, isFalse, isUnknown}

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
	has := readyStatus(object)
	for _, status := range conditionStatuses {
		value := 0.0
		if status == has {
			value = 1
		}
		objectCondition().WithLabelValues(r.kind, key.Namespace, key.Name, v1beta1.ReadyCondition, status).Set(value)
	}
}

// readyStatus is the status of the condition Ready as the metric has it. An object that a user holds at a former
// revision is unknown, too: it is not Ready, and no alert should fire for it.
func readyStatus(object v1beta1.Conditioned) string {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	switch {
	case ready == nil, ready.Status == metav1.ConditionUnknown, status.IsHeld(object):
		return isUnknown
	case ready.Status == metav1.ConditionTrue:
		return isTrue
	default:
		return isFalse
	}
}

func (r readiness) forget(key types.NamespacedName) {
	for _, status := range conditionStatuses {
		objectCondition().DeleteLabelValues(r.kind, key.Namespace, key.Name, v1beta1.ReadyCondition, status)
	}
}
