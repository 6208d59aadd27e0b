package main

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	kustomizations := world{objects: append(everything(), apps(), unwell())}
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
		{"status-kustomization", kustomizations, "status ks/apps"},
		{"status-kustomization-failed", kustomizations, "status kustomizations infra"},
		{"status-kustomization-json", kustomizations, "status kustomization infra -o json"},
		{"status-kustomization-not-found", kustomizations, "status kustomization app"},
		{"status-source", all, "status ocirepo api -n registry"},
		{"status-source-chart", all, "status helmcharts/postgres -n infra"},
		{"status-source-json", all, "status helmrepository charts -o json"},
		{"status-no-kind", all, "status beacon"},
		{"status-wrong-kind", all, "history helmchart postgres"},
		{"status-missing-name", all, "status release"},
	})
}

// unwell is a Kustomization whose newest revision cannot be applied.
func unwell() client.Object {
	k := stuck()
	k.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "apps"}, {Name: "gone"}}
	k.Status.LastAttemptedRevision = "main@sha1:" + commit
	k.Status.LastAppliedRevision = "main@sha1:5b1b1d3c0c6e2a8f9b5f6f9d3f1c7a6c0f9e8d7c"
	k.Status.Failures = 2
	k.Status.Unhealthy = []v1beta1.ObjectHealth{
		{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop", State: "InProgress", Message: "Available: 1/2"},
	}
	k.Status.Conditions[0].LastTransitionTime = metav1.NewTime(now.Add(-time.Minute))
	return k
}
