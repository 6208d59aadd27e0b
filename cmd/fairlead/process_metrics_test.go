package main

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/metrics"

	target "fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/sources/store"
)

func TestMetricsOfTheProcess(t *testing.T) {
	artifacts, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = artifacts.Close() })
	publishProcess(artifacts)
	publishFence(target.NewFence("fairlead-system", "leader", time.Minute, time.Now))
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, family := range families {
		served[family.GetName()] = true
	}
	for _, name := range []string{
		"fairlead_build_info", "fairlead_cache_bytes", "fairlead_cache_evictions_total", "fairlead_tracker_streams",
		"fairlead_watch_restarts_total", "fairlead_host_waits_total", "fairlead_host_wait_seconds_total", "fairlead_fenced_writes_total",
	} {
		if !served[name] {
			t.Errorf("the metric %s is not served", name)
		}
	}
}
