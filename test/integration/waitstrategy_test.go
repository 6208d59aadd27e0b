package integration

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// toleratedTemplate is a Deployment whose pods never become ready, and of which all may be unavailable.
const toleratedTemplate = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 2
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 100%}}
  selector:
    matchLabels: {app: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
      annotations: {message: {{ .Values.message | quote }}, sim.fairlead.dev/ready: "false"}
    spec:
      containers: [{name: main, image: example.com/sample:1}]
`

// By the rules of Helm 3 a Deployment is ready while it lacks no more pods than it may, during actions, in the bake and
// afterwards. By those of kstatus it is not.
func TestWaitStrategyLegacy(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	archive := chartArchive(t, "sample", "1.0.0", map[string]string{"templates/deployment.yaml": toleratedTemplate})
	if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	hr := release(ns, "web", "sample", "1.0.0", "charts", `{"message":"one"}`)
	hr.Spec.WaitStrategy = &v1beta1.WaitStrategy{Name: v1beta1.WaitStrategyLegacy}
	hr.Spec.Timeout = &metav1.Duration{Duration: patience}
	hr.Spec.Bake = &metav1.Duration{Duration: time.Second}
	apply(t, hr)
	awaitReady(t, hr)
	apply(t, withValues(hr, `{"message":"two"}`))
	awaitReady(t, hr)
	until(t, "the upgrade is verified and healthy", func() bool {
		verified, healthy := condition(t, hr, v1beta1.VerifiedCondition), condition(t, hr, v1beta1.HealthyCondition)
		return verified.Status == metav1.ConditionTrue && healthy.Status == metav1.ConditionTrue
	})
	if got := revisionOf(t, hr); got != "2 1.0.0" {
		t.Errorf("revision %s", got)
	}
	tree := mustRun(t, "fairlead", "tree", "release", "web", "-n", ns)
	says(t, tree, "Deployment")

	hr.Spec.WaitStrategy = &v1beta1.WaitStrategy{Name: "poller"}
	apply(t, hr)
	until(t, "the Deployment is not healthy by the rules of kstatus", func() bool {
		return condition(t, hr, v1beta1.HealthyCondition).Status == metav1.ConditionFalse
	})
}
