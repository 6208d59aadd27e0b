package main

import "testing"

func TestStatus(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	runGolden(t, []goldenCase{
		{"status-ready", all, "status release shop"},
		{"status-failed", all, "status hr api -n web"},
		{"status-progressing", all, "status HelmRelease db -n infra"},
		{"status-pending", all, "status release fresh"},
		{"status-suspended", all, "status release parked"},
		{"status-stalled", all, "status release broken"},
		{"status-conditions", world{objects: conditioned()}, "status release d-failing"},
		{"status-json", all, "status release api -o json"},
		{"status-yaml", all, "status release fresh -o yaml"},
		{"status-not-found", all, "status release shpo"},
		{"status-not-found-elsewhere", all, "status release db"},
		{"status-not-found-empty-namespace", all, "status release thing -n lost"},
		{"status-unknown-kind", all, "status pod shop"},
		{"status-wrong-kind", all, "status helmchart postgres"},
		{"status-missing-name", all, "status release"},
	})
}
