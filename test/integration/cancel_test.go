package integration

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// A hook that hangs is cancelled. Nothing is retried or rolled back, not after a request either, until the input
// changes.
func TestCancelOfAHookThatHangs(t *testing.T) {
	t.Parallel()
	ns := leavingChart(t)
	hr := leavingRelease(ns, `{"run":"true"}`)
	apply(t, hr)
	awaitReady(t, hr)
	out := mustRun(t, "fairlead", "cancel", "release", "web", "-n", ns)
	if !strings.Contains(out, "no step was running") {
		t.Errorf("a cancel of a release that is Ready prints\n%s", out)
	}

	apply(t, withValues(hr, `{"run":"sleep infinity"}`))
	until(t, "the hook runs", func() bool { return exists(t, postJob(ns)) })
	out = mustRun(t, "fairlead", "cancel", "release", "web", "-n", ns, "--reason", "INC-1")
	if !strings.Contains(out, "the upgrade with chart version 1.0.0 was cancelled") {
		t.Errorf("the cancel prints\n%s", out)
	}

	ready := awaitNotReady(t, hr, v1beta1.CancelledReason)
	says(t, ready.Message, "(INC-1)", "Job "+ns+"/web-post had not ended", "leaves the release as it is")
	wantRevisions(t, hr, "1:deployed 2:failed")
	if outcome := get(t, hr).Status.History[0].Outcome; outcome != string(plan.OutcomeCancelled) {
		t.Errorf("the outcome of the revision is %q", outcome)
	}

	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns)
	token := get(t, hr).Annotations[v1beta1.ReconcileRequestAnnotation]
	until(t, "the request is answered", func() bool { return get(t, hr).Status.LastHandledReconcileAt == token })
	wantRevisions(t, hr, "1:deployed 2:failed")
	if got := condition(t, hr, v1beta1.StalledCondition).Reason; got != v1beta1.CancelledReason {
		t.Errorf("after a request Stalled has the reason %s", got)
	}

	mustRun(t, "kubectl", "delete", "job", "web-post", "-n", ns)
	apply(t, withValues(hr, `{"run":"true","message":"fixed"}`))
	awaitReady(t, hr)
	if get(t, hr).Status.Cancelled != nil {
		t.Error("the release is Ready, and its status has a cancelled step")
	}
}

// The wait for readiness is cancelled, and the release goes back.
func TestCancelAndGoBack(t *testing.T) {
	t.Parallel()
	ns, charts, hr := recovering(t, nil)
	addChart(t, charts, "1.1.0", map[string]string{
		"templates/deployment.yaml": strings.NewReplacer(`{{- with .Values.waiting }}`, `{{- with "ImagePullBackOff" }}`).
			Replace(podsTemplate),
	})
	until(t, "the upgrade is under way", func() bool {
		return get(t, hr).Status.LastAttemptedRevision == "1.0.0" &&
			strings.Contains(condition(t, hr, v1beta1.ReadyCondition).Message, "upgrading")
	})
	mustRun(t, "fairlead", "cancel", "release", "web", "-n", ns, "--rollback", "--reason", "INC-2")
	awaitNotReady(t, hr, v1beta1.RolledBackReason)
	wantRevisions(t, hr, "1:superseded 2:failed 3:deployed")
}

// The wait for the health of a Kustomization is cancelled. It is Ready once its objects are healthy.
func TestCancelOfAWaitForHealth(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"apps/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ` + ns + `}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {sim.fairlead.dev/ready: "false"}}
    spec: {containers: [{name: web, image: example.com/web:1}]}
`})
	k := &v1beta1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "apps"},
		Spec: v1beta1.KustomizationSpec{
			SourceRef: v1beta1.ManifestSourceReference{Kind: "GitRepository", Name: "fleet"}, Path: "apps", Prune: true,
			Wait: true, Timeout: &metav1.Duration{Duration: 10 * time.Minute},
		},
	}
	apply(t, k)
	until(t, "the Kustomization waits for its objects", func() bool {
		get(t, k)
		return k.Status.LastAppliedRevision != "" &&
			strings.Contains(condition(t, k, v1beta1.ReadyCondition).Message, "waiting for")
	})
	out := mustRun(t, "fairlead", "cancel", "kustomization", "apps", "-n", ns, "--reason", "INC-3")
	if !strings.Contains(out, "the wait for the health of ") {
		t.Errorf("the cancel prints\n%s", out)
	}

	ready := awaitNotReady(t, k, v1beta1.CancelledReason)
	says(t, ready.Message, "the wait for these was cancelled (INC-3)", "web")
	mustRun(t, "kubectl", "annotate", "pods", "-n", ns, "--all", "--overwrite", "sim.fairlead.dev/ready=true")
	awaitReady(t, k)
}
