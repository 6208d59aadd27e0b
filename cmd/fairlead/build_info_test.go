package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestBuildInfo(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newBuildInfo(buildVersion{Version: "v1.2.3", Commit: "abc-dirty", Go: "go1.26.1"}))
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "fairlead_build_info" || len(families[0].GetMetric()) != 1 {
		t.Fatalf("gathered %v, error %v", families, err)
	}
	metric := families[0].GetMetric()[0]
	got := map[string]string{}
	for _, label := range metric.GetLabel() {
		got[label.GetName()] = label.GetValue()
	}
	want := map[string]string{"version": "v1.2.3", "commit": "abc-dirty", "go_version": "go1.26.1"}
	if diff := cmp.Diff(want, got); diff != "" || metric.GetGauge().GetValue() != 1 {
		t.Errorf("value %v, labels (-want +got):\n%s", metric.GetGauge().GetValue(), diff)
	}
}
