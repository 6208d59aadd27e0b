package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/test/servers"
)

// gated is a Deployment with a field that the API server accepts and drops, because its feature is off.
func gated(name string, replicas int) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      evictionResponders: [{name: a.example.com}]
      containers: [{name: main, image: a}]
`, name, replicas)
}

const leftHook = `apiVersion: v1
kind: ConfigMap
metadata: {name: hook, annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}
unknown: 1
`

// What the API server does not keep of an object is reported with the revision that writes it, whatever way it is
// written in: applied, in Helm's own way, or as a hook.
func TestRevisionLoses(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	untyped := inContainer("unknown: 1") + "---\n"
	lost := "Deployment " + w.ns + "/gated (spec.template.spec.evictionResponders)"
	inHelmsWay := "Deployment " + w.ns + `/web (spec.template.spec.containers[name="main"].unknown)`
	ofHook := "ConfigMap " + w.ns + "/hook (unknown)"
	steps := []struct {
		step     plan.Step
		manifest string
		want     []string
	}{
		{plan.Install, untyped + gated("gated", 0) + "---\n" + leftHook, []string{ofHook, lost, inHelmsWay}},
		{plan.Upgrade, gated("gated", 0), nil}, // it is not written
		{plan.Upgrade, gated("gated", 1), []string{lost}},
		{plan.Upgrade, untyped + gated("gated", 1), []string{inHelmsWay}},
		{plan.Upgrade, untyped + gated("gated", 1) + "---\n" + settings("plain", "1"), []string{inHelmsWay}},
		{plan.Upgrade, inContainer("env: [{name: A, value: '1'}, {name: A, value: '2'}]"), nil},
	}
	for n, s := range steps {
		got := w.execute(s.step, s.manifest)
		if diff := cmp.Diff(s.want, got.Dropped); got.Err != nil || diff != "" {
			t.Errorf("%d: %v; dropped are (-want +got):\n%s", n, got.Err, diff)
		}
	}
}

// droppedEvents returns what the events of an object say that was dropped.
func droppedEvents(t *testing.T, ns, of string) []string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.Reason == v1beta1.FieldsDroppedReason && e.Regarding.Name == of {
			times := int32(1)
			if e.Series != nil {
				times = e.Series.Count
			}
			out = append(out, fmt.Sprintf("%d: %s", times, e.Note))
		}
	}
	return out
}

// The report does not depend on the detection of drift.
func TestReleaseLoses(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"default", v1beta1.DriftEnabled, v1beta1.DriftWarn, v1beta1.DriftDisabled} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			charts := chartRepository(t, servers.ChartOptions{}, "sample")
			addChart(t, charts, "1.0.0", map[string]string{
				"templates/gated.yaml": gated("gated", 0), "templates/untyped.yaml": inContainer("unknown: 1"),
			})
			hr := release(ns, "toy", "sample", "*", "charts", "")
			if mode != "default" {
				hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: mode}
			}
			apply(t, helmRepository(ns, "charts", charts.URL()), hr)
			awaitReady(t, hr)
			lost := "the API server did not keep all that was written: " +
				"Deployment " + ns + "/gated (spec.template.spec.evictionResponders), " +
				"Deployment " + ns + `/web (spec.template.spec.containers[name="main"].unknown)`
			until(t, "an event says what was dropped", func() bool { return len(droppedEvents(t, ns, "toy")) > 0 })
			addChart(t, charts, "2.0.0", map[string]string{"templates/gated.yaml": gated("gated", 0)})
			awaitVersion(t, hr, "2.0.0")
			if diff := cmp.Diff([]string{"1: " + lost}, droppedEvents(t, ns, "toy")); diff != "" {
				t.Errorf("the events are (-want +got):\n%s", diff)
			}
		})
	}
}

// A Kustomization reports it once for each content of an object, and not when it corrects the object.
func TestKustomizationLoses(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"gated.yaml": gated("gated", 0), "a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	lost := "the API server did not keep all that was written: " +
		"Deployment " + ns + "/gated (spec.template.spec.evictionResponders)"
	until(t, "an event says what was dropped", func() bool { return len(droppedEvents(t, ns, "apps")) > 0 })
	of := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "gated"}}
	before := uid(t, of)
	remove(t, of)
	until(t, "the Deployment is back", func() bool { return exists(t, of) && of.UID != before })
	awaitApplied(t, k, commit(t, ns, map[string]string{"a.yaml": settings("a", "two")}))
	if diff := cmp.Diff([]string{"1: " + lost}, droppedEvents(t, ns, "apps")); diff != "" {
		t.Errorf("the events are (-want +got):\n%s", diff)
	}
}

// The name of a field that was lost can come from a Secret: the key of a list is part of it. The event shows it masked.
func TestWhatIsLostShowsNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "quiet-canary-of-the-lost-field-7"
	ns := namespace(t)
	probed := strings.Replace(gated("probed", 0), "{name: main, image: a}",
		"{name: 'VALUE', image: a, livenessProbe: {httpGet: {port: 80, protocol: HTTP2}}}", 1)
	with := func(name, value string) string {
		return strings.NewReplacer("VALUE", value, "probed", name).Replace(probed)
	}
	fleet(t, ns, map[string]string{
		"charts/web/Chart.yaml":       "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/templates/a.yaml": with("released", "{{ .Values.password }}"),
		"plain/a.yaml":                with("applied", "${password}"),
	})
	values := map[string]string{"values.yaml": "password: " + secret + "\n"}
	apply(t, &corev1.Secret{ObjectMeta: named(ns, "values"), StringData: values},
		&corev1.Secret{ObjectMeta: named(ns, "variables"), StringData: map[string]string{"password": secret}})
	hr := release(ns, "web", "./charts/web", "", "fleet", "")
	hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "values"}}
	k := kustomization(ns, "plain", "plain", func(s *v1beta1.KustomizationSpec) {
		s.PostBuild = &v1beta1.PostBuild{SubstituteFrom: []v1beta1.SubstituteReference{{Kind: "Secret", Name: "variables"}}}
	})
	apply(t, hr, k)
	awaitReady(t, hr)
	awaitReady(t, k)
	for of, name := range map[string]string{"web": "released", "plain": "applied"} {
		until(t, "an event of "+of+" says what was dropped", func() bool { return len(droppedEvents(t, ns, of)) > 0 })
		want := `1: the API server did not keep all that was written: Deployment ` + ns + `/` + name + ` (` +
			`spec.template.spec.containers[name="***"].livenessProbe.httpGet.protocol, ` +
			`spec.template.spec.evictionResponders)`
		if diff := cmp.Diff([]string{want}, droppedEvents(t, ns, of)); diff != "" {
			t.Errorf("the events of %s are (-want +got):\n%s", of, diff)
		}
	}
	shownNowhere(t, ns, secret)
}
