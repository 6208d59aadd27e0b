package source

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

var pollDuration = sync.OnceValue(func() *prometheus.HistogramVec {
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "fairlead_source_poll_duration_seconds",
		Help:    "How long polls of sources took, by kind and result (success, failure).",
		Buckets: loop.TaskBuckets,
	}, []string{"kind", "result"})
	metrics.Registry.MustRegister(histogram)
	return histogram
})

func observePoll(kind string, err error, took time.Duration) {
	result := "success"
	switch {
	case catalog.IsPending(err):
		return
	case err != nil:
		result = "failure"
	}
	pollDuration().WithLabelValues(kind, result).Observe(took.Seconds())
}
