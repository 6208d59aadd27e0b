package main

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// cancels is what the controller does when a step is running.
func cancels(o client.Object) {
	token := o.GetAnnotations()[v1beta1.CancelRequestAnnotation]
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		v.Status.LastHandledCancelAt = token
		v.Status.Cancelled = &v1beta1.CancelledStep{RequestedAt: token, Action: "upgrade", ChartVersion: "1.9.2"}
		v.Status.History[0].Status = plan.StatusFailed
		v.Status.History[0].Outcome = string(plan.OutcomeCancelled)
		status.Stalled(v, v1beta1.CancelledReason, "upgrade of web/shop to shop 1.9.2 was cancelled", now)
	case *v1beta1.Kustomization:
		v.Status.LastHandledCancelAt = token
		v.Status.Cancelled = &v1beta1.CancelledAttempt{
			RequestedAt: token, Action: v1beta1.CancelledApply, Revision: "main@sha1:9c0",
		}
	}
}

func cancelsTheWait(o client.Object) {
	cancels(o)
	o.(*v1beta1.Kustomization).Status.Cancelled.Action = v1beta1.CancelledWait
}

// hasNothingToCancel is what the controller does when no step is running. A former cancel stays in the status.
func hasNothingToCancel(o client.Object) {
	cancels(o)
	o.(*v1beta1.HelmRelease).Status.Cancelled.RequestedAt = "before"
}

func TestCancel(t *testing.T) {
	t.Parallel()
	leaving := func(hr *v1beta1.HelmRelease) {
		hr.Finalizers = []string{v1beta1.Finalizer}
		hr.DeletionTimestamp = &metav1.Time{Time: now}
	}
	of := func(step func(client.Object)) world {
		return world{objects: []client.Object{apps()}, funcs: play(step)}
	}
	runGolden(t, []goldenCase{
		{"cancel", rollbackWorld(steered(), cancels), "cancel release shop -n web"},
		{"cancel-reason", rollbackWorld(steered(), cancels), "cancel hr/shop -n web --reason INC-7"},
		{"cancel-rollback", rollbackWorld(steered(), cancels), "cancel release shop -n web --rollback --reason INC-7"},
		{"cancel-nothing", rollbackWorld(steered(), hasNothingToCancel), "cancel release shop -n web"},
		{"cancel-unanswered", rollbackWorld(steered()), "cancel release shop -n web --timeout 1s"},
		{"cancel-deleting", rollbackWorld(steered(leaving)), "cancel release shop -n web"},
		{"cancel-not-found", rollbackWorld(steered()), "cancel release shopp -n web"},
		{"cancel-source", rollbackWorld(steered()), "cancel helmrepo charts -n web"},
		{"cancel-no-reason", rollbackWorld(steered()), "cancel release shop -n web --rollback"},
		{"cancel-kustomization", of(cancels), "cancel kustomization apps -n web"},
		{"cancel-kustomization-wait", of(cancelsTheWait), "cancel ks apps -n web"},
		{"cancel-kustomization-rollback", of(cancels), "cancel ks apps -n web --rollback --reason INC-7"},
		{"cancel-help", world{}, "cancel --help"},
	})
}

func TestACancelSetsTheAnnotationsOfTheAPI(t *testing.T) {
	t.Parallel()
	w := rollbackWorld(steered(), cancels)
	c := w.client(t)
	if r := w.runWith(t, c, "cancel", "release", "shop", "-n", "web", "--reason", "slow\nsince \x1b[31m1.9.1"); r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}

	hr := &v1beta1.HelmRelease{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: "shop"}, hr); err != nil {
		t.Fatal(err)
	}
	if token, reason := v1beta1.CancelRequest(hr, ""); token == "" || reason != "slow since 1.9.1" || !v1beta1.OnlyCancels(hr) {
		t.Errorf("token %q, reason %q", token, reason)
	}
}
