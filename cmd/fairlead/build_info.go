package main

import (
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// newBuildInfo returns the metric that names what a binary was built from; its value is always 1.
func newBuildInfo(v buildVersion) prometheus.Collector {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "fairlead_build_info",
		Help: "What this process was built from; the value is 1.",
	}, []string{"version", "commit", "go_version"})
	gauge.WithLabelValues(v.Version, v.Commit, v.Go).Set(1)
	return gauge
}

// publishBuildInfo adds the metric of this binary to those that the controller serves.
func publishBuildInfo() {
	info, _ := debug.ReadBuildInfo()
	_ = metrics.Registry.Register(newBuildInfo(readVersion(info))) // a second controller of a process publishes the same
}
