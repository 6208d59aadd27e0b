package release

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/plan"
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

var corrections = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_drift_corrections_total",
		Help: "Corrections of drift, by result (success, failure).",
	}, []string{"result"})
	metrics.Registry.MustRegister(counter)
	return counter
})

var rollbacks = sync.OnceValue(func() *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fairlead_rollbacks_total",
		Help: "Rollbacks, by reason (Remediation, Degraded, RolledBackByRequest) and result (success, failure).",
	}, []string{"reason", "result"})
	metrics.Registry.MustRegister(counter)
	return counter
})

func observeAction(ended landed) {
	o, result := ended.outcome, "success"
	if o.Failure != nil {
		result = "failure"
	}
	actionDuration().WithLabelValues(string(o.Step), result).Observe(ended.took.Seconds())
	switch o.Step {
	case plan.Rollback:
		rollbacks().WithLabelValues(o.Reason, result).Inc()
	case plan.Correct:
		corrections().WithLabelValues(result).Inc()
	default:
	}
}

// census publishes how many releases are healthy and how many have drifted.
type census struct{ count func() (map[string]int, int) }

var (
	healthDesc = prometheus.NewDesc("fairlead_release_health", "Releases by the health of their objects (healthy, unhealthy, unknown).",
		[]string{"health"}, nil)
	driftedDesc = prometheus.NewDesc("fairlead_releases_drifted", "Releases with objects that differ from their manifest.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c census) Describe(to chan<- *prometheus.Desc) { to <- healthDesc; to <- driftedDesc }

// Collect implements prometheus.Collector.
func (c census) Collect(to chan<- prometheus.Metric) {
	byHealth, drifted := c.count()
	for health, releases := range byHealth {
		to <- prometheus.MustNewConstMetric(healthDesc, prometheus.GaugeValue, float64(releases), health)
	}
	to <- prometheus.MustNewConstMetric(driftedDesc, prometheus.GaugeValue, float64(drifted))
}

// registerCensus publishes the census. Only the first controller of a process does.
func registerCensus(count func() (map[string]int, int)) { _ = metrics.Registry.Register(census{count}) }

// registerInFlight publishes how many actions are under way. Only the first controller of a process does.
func registerInFlight(count func() int) {
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fairlead_actions_in_flight",
		Help: "Helm actions that are under way, those that wait included.",
	}, func() float64 { return float64(count()) })
	_ = metrics.Registry.Register(gauge)
}
