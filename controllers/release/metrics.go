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

func observeAction(ended actionResult) {
	o := ended.outcome
	result := "success"
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

var releasesByHealth = sync.OnceValue(func() *prometheus.GaugeVec {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fairlead_releases",
		Help: "How many releases have objects of this health (healthy, unhealthy, unknown).",
	}, []string{"health"})
	metrics.Registry.MustRegister(gauge)
	return gauge
})

var releasesDrifted = sync.OnceValue(func() prometheus.Gauge {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fairlead_releases_drifted",
		Help: "Releases with objects that differ from their manifest.",
	})
	metrics.Registry.MustRegister(gauge)
	return gauge
})

// The values of the labels health and result.
var (
	healths = []string{"healthy", "unhealthy", "unknown"}
	results = []string{"success", "failure"}
)

// publishState publishes the metrics of health and drift with 0, before there is a release.
func publishState() {
	for _, health := range healths {
		releasesByHealth().WithLabelValues(health).Add(0)
	}
	for _, result := range results {
		corrections().WithLabelValues(result).Add(0)
	}
	releasesDrifted()
}

// observeState publishes that a release was in one state and is in another now; nil is none.
func observeState(before, now *plan.ReleaseState) {
	add := func(s *plan.ReleaseState, one float64) {
		if s == nil {
			return
		}

		releasesByHealth().WithLabelValues(s.Health).Add(one)
		if s.Drifted {
			releasesDrifted().Add(one)
		}
	}
	add(before, -1)
	add(now, 1)
}

// registerInFlight publishes how many actions are under way. Only the first controller of a process does.
func registerInFlight(count func() int) {
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "fairlead_actions_in_flight",
		Help: "Helm actions that are under way, those that wait included.",
	}, func() float64 { return float64(count()) })
	_ = metrics.Registry.Register(gauge)
}
