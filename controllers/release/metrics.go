package release

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/controllers/loop"
)

var actionDuration = sync.OnceValue(func() *prometheus.HistogramVec {
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fairlead_action_duration_seconds",
		Help:    "How long Helm actions took, waits included, by action and result (success, failure).",
		Buckets: loop.TaskBuckets,
	}, []string{"action", "result"})
	metrics.Registry.MustRegister(histogram)
	return histogram
})

func observeAction(ended landed) {
	result := "success"
	if ended.outcome.Failure != nil {
		result = "failure"
	}
	actionDuration().WithLabelValues(string(ended.outcome.Step), result).Observe(ended.took.Seconds())
}

// registerInFlight publishes how many actions are under way. Only the first controller of a process does.
func registerInFlight(count func() int) {
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fairlead_actions_in_flight",
		Help: "Helm actions that are under way, those that wait included.",
	}, func() float64 { return float64(count()) })
	_ = metrics.Registry.Register(gauge)
}
