package integration

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// sealed is a Deployment with a selector, which cannot be changed.
func sealed(selector, annotations string) string {
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: sealed, annotations: {` + annotations + `}}
spec:
  replicas: 0
  selector: {matchLabels: {is: ` + selector + `}}
  template:
    metadata: {labels: {is: ` + selector + `}}
    spec: {containers: [{name: main, image: example.com/main:1}]}
`
}

const forced = "fairlead.dev/force: enabled"

// An object of a chart that says so is recreated where a field cannot be changed; another one is refused.
func TestAnObjectOfAReleaseIsRecreated(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := registrySample(t, ns, "1.0.0")
	push := func(version, selector, annotations string) {
		archive := chartArchive(t, "sealed", version, map[string]string{"templates/sealed.yaml": sealed(selector, annotations)})
		if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	push("1.0.0", "one", "")
	hr := release(ns, "web", "sealed", "1.0.0", charts.Name, "")
	apply(t, hr)
	awaitReady(t, hr)
	deployment := &appsv1.Deployment{ObjectMeta: named(ns, "sealed")}
	first := get(t, deployment).UID

	push("1.1.0", "two", "")
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "1.1.0" })
	awaitNotReady(t, hr, v1beta1.PreflightRejectedReason)
	push("1.2.0", "two", forced)
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "1.2.0" })
	awaitVersion(t, hr, "1.2.0")
	if got := get(t, deployment); got.UID == first || got.Spec.Selector.MatchLabels["is"] != "two" {
		t.Errorf("the Deployment has the UID %s, before %s, and the selector %v", got.UID, first, got.Spec.Selector)
	}
	wantRevisions(t, hr, "1:superseded 2:deployed")
}

// The same of an object of a Kustomization. Its plan says so.
func TestAnObjectOfAKustomizationIsRecreated(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"apps/sealed.yaml": sealed("one", "")})
	k := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) {
		s.TargetNamespace = ns
		s.Sync = &v1beta1.Sync{Approval: &v1beta1.SyncApproval{MinRisk: v1beta1.RiskRecreate}}
	})
	apply(t, k)
	awaitReady(t, k)
	deployment := &appsv1.Deployment{ObjectMeta: named(ns, "sealed")}
	first := get(t, deployment).UID

	sha := commit(t, ns, map[string]string{"apps/sealed.yaml": sealed("two", forced)})
	waits := awaitsRevision(t, k, sha)
	if waits.Risk != v1beta1.RiskRecreate || len(waits.Objects) != 1 ||
		!strings.Contains(waits.Objects[0].Why, "it is deleted and created again") {
		t.Errorf("the plan says %+v", waits)
	}

	approveRevision(t, k, waits.Digest)
	awaitApplied(t, k, sha)
	if got := get(t, deployment); got.UID == first || got.Spec.Selector.MatchLabels["is"] != "two" {
		t.Errorf("the Deployment has the UID %s, before %s, and the selector %v", got.UID, first, got.Spec.Selector)
	}
}
