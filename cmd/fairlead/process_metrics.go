package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	target "fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/sources/transport"
)

// publishProcess adds the metrics of the binary, of the cache, of the watches and of requests to upstreams. Only the first call of a process does.
func publishProcess(artifacts *store.Store) {
	publishBuildInfo()
	for _, collector := range []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_cache_bytes",
			Help: "How much the artifacts in the cache take.",
		}, func() float64 {
			_, total := artifacts.Used("")
			return float64(total)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fairlead_cache_evictions_total",
			Help: "Artifacts that gave way to others, because the cache or the share of a namespace was full.",
		}, func() float64 { return float64(artifacts.Evicted()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "fairlead_tracker_streams",
			Help: "Kinds of objects that are watched, for each cluster, identity and namespace.",
		}, func() float64 { return float64(tracker.Streams()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fairlead_watch_restarts_total",
			Help: "Watches that ended and were opened again.",
		}, func() float64 { return float64(tracker.Restarts()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fairlead_host_waits_total",
			Help: "Requests to upstreams that waited for the limit of requests to one host.",
		}, func() float64 {
			times, _ := transport.Waits()
			return float64(times)
		}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "fairlead_host_wait_seconds_total",
			Help: "How long requests to upstreams waited for the limit of requests to one host.",
		}, func() float64 {
			_, total := transport.Waits()
			return total.Seconds()
		}),
	} {
		_ = metrics.Registry.Register(collector)
	}
}

// publishFence adds the metric of the writes that were not sent.
func publishFence(fence *target.Fence) {
	_ = metrics.Registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "fairlead_fenced_writes_total",
		Help: "Writes that were not sent, because another replica may be the leader.",
	}, func() float64 { return float64(fence.Refused()) }))
}
