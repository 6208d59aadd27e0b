package integration

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/test/servers"
)

// methodsChart has objects whose fields come and go with .Values.second.
var methodsChart = map[string]string{
	"Chart.yaml":  "apiVersion: v2\nname: methods\nversion: 1.0.0\n",
	"values.yaml": "second: false\n",
	"templates/all.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: web
  labels: {tier: front{{ if .Values.second }}, added: "yes"{{ else }}, removed: "yes"{{ end }}}
data:
  same: "1"
  changed: "{{ if .Values.second }}2{{ else }}1{{ end }}"
  {{ if .Values.second }}added{{ else }}removed{{ end }}: "1"
---
apiVersion: v1
kind: Secret
metadata: {name: web}
data:
  same: MQ==
  {{ if .Values.second }}added{{ else }}removed{{ end }}: MQ==
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: None
  selector: {app: web}
  ports:
  - {name: http, port: 80}
  - {name: {{ if .Values.second }}added, port: 81{{ else }}removed, port: 82{{ end }}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: example.com/web:{{ if .Values.second }}2{{ else }}1{{ end }}
        env:
        - {name: SAME, value: a}
        - {name: {{ if .Values.second }}ADDED{{ else }}REMOVED{{ end }}, value: a}
`,
}

// methodsKinds are the kinds of the chart.
var methodsKinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
}

// leaves returns what an action has left of each object of the chart: its fields, and what of them Helm clients own and
// how.
func leaves(t *testing.T, ns string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, kind := range methodsKinds {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		object.SetNamespace(ns)
		object.SetName("web")
		get(t, object)
		labels, annotations := object.GetLabels(), object.GetAnnotations()
		delete(annotations, "deployment.kubernetes.io/revision") // a controller counts on its own time
		spec := object.Object["spec"]
		text := fmt.Sprint(labels, annotations, object.Object["data"], spec, helmOwns(object))
		out[kind.Kind] = strings.Split(strings.ReplaceAll(text, ns, "NAMESPACE"), " ")
	}
	return out
}

// helmOwns lists the entries of Helm clients in the managedFields of an object, without their times.
func helmOwns(object *unstructured.Unstructured) []string {
	var out []string
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && entry.Manager != "kube-controller-manager" {
			out = append(out, fmt.Sprintf("%s %s %s", entry.Manager, entry.Operation, entry.FieldsV1.GetRawString()))
		}
	}
	slices.Sort(out)
	return out
}

// appliedBy returns the operations by which "helm" owns fields of an object, sorted, each once.
func appliedBy(object *unstructured.Unstructured) string {
	var out []string
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && entry.Manager == "helm" {
			out = append(out, string(entry.Operation))
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}

// recordedMethods returns what the records of a namespace say in the field of Helm 4, by revision.
func recordedMethods(t *testing.T, ns string) string {
	t.Helper()
	list := &corev1.SecretList{}
	err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns), client.MatchingLabels{"owner": "helm"})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, secret := range list.Items {
		packed, err := base64.StdEncoding.DecodeString(string(secret.Data["release"]))
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		var record struct {
			Version int    `json:"version"`
			Method  string `json:"apply_method"`
		}
		if err := json.NewDecoder(zip).Decode(&record); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d %s", record.Version, record.Method))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// With serverSideApply off, an install, an upgrade and a rollback leave what those of the helm command leave: the same
// fields, labels and annotations, owned in the same way.
func TestClientSideIsAsHelm(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	cli := ns + "-cli"
	apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cli}})
	archive, err := servers.BuildChart(methodsChart)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	off := false
	hr := release(ns, "web", "methods", "1.0.0", "charts", `{"second":false}`)
	hr.Spec.Bake = &metav1.Duration{}
	hr.Spec.Install = &v1beta1.Install{ServerSideApply: &off}
	hr.Spec.Upgrade = &v1beta1.Upgrade{ServerSideApply: v1beta1.Disabled}
	hr.Spec.Rollback = &v1beta1.Rollback{ServerSideApply: v1beta1.Disabled}
	same := func(when string) {
		t.Helper()
		if diff := cmp.Diff(leaves(t, cli), leaves(t, ns)); diff != "" {
			t.Errorf("%s (-helm +ours):\n%s", when, diff)
		}
	}
	chart := []string{
		"web", "oci://" + world.registry.Host() + "/" + ns + "/methods", "--plain-http",
		"--version", "1.0.0", "-n", cli,
	}
	mustRun(t, "helm", append([]string{"install"}, chart...)...)
	apply(t, hr)
	awaitReady(t, hr)
	same("after the install")

	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	editAs(t, "kubectl-edit", config, `{"data":{"same":"by hand"}}`)
	until(t, "the drift is corrected", func() bool { return configMap(t, ns, "web")["same"] == "1" })
	same("after the correction")

	mustRun(t, "helm", append([]string{"upgrade", "--set", "second=true"}, chart...)...)
	apply(t, withValues(hr, `{"second":true}`))
	awaitReady(t, hr)
	same("after the upgrade")

	mustRun(t, "helm", "rollback", "web", "1", "-n", cli)
	mustRun(t, "fairlead", "rollback", "release", "web", "1", "-n", ns, "--reason", "a test", "--wait")
	awaitNotReady(t, hr, v1beta1.RolledBackReason)
	same("after the rollback")
	if got := recordedMethods(t, ns); got != "1 csa, 2 csa, 3 csa" {
		t.Errorf("the records say %s", got)
	}
}

// methodsManifest is a ConfigMap with keys, and a Deployment with variables.
func methodsManifest(keys, variables string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {" + keys + "}\n---\n" +
		workload("Deployment", "", "        env: ["+variables+"]\n", "")
}

// A release whose method changes loses no field and keeps none that left the chart, in either direction. Its drift is
// found and corrected by the method of its revision, and what others have set stays.
func TestTheApplyMethodIsSwitched(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	step, revision := plan.Install, 0
	to := func(setting, keys, variables string) {
		w.t.Helper()
		w.options.ServerSideApply = setting
		w.rollOut(step, methodsManifest(keys, variables))
		step, revision = plan.Upgrade, revision+1
	}
	is := func(method plan.ApplyMethod, data map[string]any, variables ...string) {
		w.t.Helper()
		w.has(method, revision, data, variables)
	}
	one, two, three := "{name: A, value: a}", "{name: B, value: b}", "{name: C, value: c}"

	to("", "a: '1', b: '1', c: '1', d: '1'", one+", "+two+", "+three)
	is(plan.ServerSide, map[string]any{"a": "1", "b": "1", "c": "1", "d": "1"}, "A", "B", "C")
	w.edit("ConfigMap", "web", `{"data":{"foreign":"x"}}`)

	to(v1beta1.Disabled, "a: '2', c: '1', d: '1', e: '1'", one+", "+three) // server-side to client-side
	is(plan.ClientSide, map[string]any{"a": "2", "c": "1", "d": "1", "e": "1", "foreign": "x"}, "A", "C")
	w.edit("ConfigMap", "web", `{"data":{"c":"by hand","d":null}}`) // c and d were not changed by the switch
	w.looks(false, []string{
		`ConfigMap web .data.c changed by "kubectl-edit": "by hand" > "1"`,
		`ConfigMap web .data.d removed by "": "" > "1"`,
	}, nil)
	is(plan.ClientSide, map[string]any{"a": "2", "c": "1", "d": "1", "e": "1", "foreign": "x"}, "A", "C")

	to(v1beta1.ServerSideApplyAuto, "a: '2', d: '1'", one) // stays client-side, without fields of either method
	is(plan.ClientSide, map[string]any{"a": "2", "d": "1", "foreign": "x"}, "A")

	to("", "a: '2', d: '1', f: '1'", one+", "+two) // left out, it stays as well
	is(plan.ClientSide, map[string]any{"a": "2", "d": "1", "f": "1", "foreign": "x"}, "A", "B")

	to(v1beta1.Enabled, "a: '3', d: '1'", one+", "+three) // client-side to server-side
	is(plan.ServerSide, map[string]any{"a": "3", "d": "1", "foreign": "x"}, "A", "C")
	w.edit("ConfigMap", "web", `{"data":{"a":"by hand"}}`)
	w.looks(false, []string{`ConfigMap web .data.a changed by "kubectl-edit": "by hand" > "3"`}, nil)

	to(v1beta1.ServerSideApplyAuto, "d: '1'", three)
	is(plan.ServerSide, map[string]any{"d": "1", "foreign": "x"}, "C")

	for _, back := range []struct {
		setting string
		to      int
		method  plan.ApplyMethod
	}{
		{"", 4, plan.ClientSide}, {v1beta1.ServerSideApplyAuto, 5, plan.ServerSide},
		{v1beta1.Enabled, 4, plan.ServerSide}, {v1beta1.Disabled, 5, plan.ClientSide},
	} {
		options := engine.Options{Timeout: patience, DisableWait: true, ServerSideApply: back.setting}
		result := w.engine.Execute(t.Context(), engine.Action{
			Step: plan.Rollback, Target: w.target(), To: back.to, Options: options,
		})
		if revision++; result.Err != nil {
			t.Fatalf("going back to revision %d: %v", back.to, result.Err)
		}
		if back.to == 4 {
			is(back.method, map[string]any{"a": "2", "d": "1", "f": "1", "foreign": "x"}, "A", "B")
		} else {
			is(back.method, map[string]any{"a": "3", "d": "1", "foreign": "x"}, "A", "C")
		}
		w.looks(false, nil, nil)
	}
}

// has fails when the objects of a release do not have these fields, or are not owned by the method, or when the newest
// revision does not record it.
func (w *workbench) has(method plan.ApplyMethod, revision int, data map[string]any, variables []string) {
	w.t.Helper()
	owned := map[plan.ApplyMethod]string{plan.ServerSide: "Apply", plan.ClientSide: "Update"}[method]
	config, deployment := w.get("ConfigMap", "web"), w.get("Deployment", "web")
	if diff := cmp.Diff(data, field(config, "data")); diff != "" {
		w.t.Errorf("data in revision %d (-want +got):\n%s", revision, diff)
	}
	var names []string
	containers := field(deployment, "spec", "template", "spec", "containers").([]any)
	for _, variable := range containers[0].(map[string]any)["env"].([]any) {
		names = append(names, variable.(map[string]any)["name"].(string))
	}
	if slices.Sort(names); !slices.Equal(names, variables) {
		w.t.Errorf("revision %d has the variables %v, want %v", revision, names, variables)
	}
	for _, object := range []*unstructured.Unstructured{config, deployment} {
		if got := appliedBy(object); got != owned {
			w.t.Errorf("fields of %s in revision %d are owned by %q of helm, want %q",
				object.GetKind(), revision, got, owned)
		}
	}
	history, err := w.engine.History(w.t.Context(), cluster.Access{}, w.target())
	if err != nil {
		w.t.Fatal(err)
	}
	if history[0].Version != revision || history[0].ApplyMethod != method {
		w.t.Errorf("revision %d records %q, want revision %d with %q",
			history[0].Version, history[0].ApplyMethod, revision, method)
	}
}

// A client-side install takes an object over without owning the fields that have the wanted values already. A change of
// one is found by an audit, although the ownership is as it was, and corrected.
func TestAnAuditOfAClientSideRelease(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	w.create("ConfigMap", driftConfig)
	w.options.ServerSideApply = v1beta1.Disabled
	rolled := w.rollOut(plan.Install, driftConfig)
	if got := appliedBy(w.get("ConfigMap", "web")); got != "Update" {
		t.Errorf("helm owns fields by %q", got)
	}
	w.edit("ConfigMap", "web", `{"data":{"a":"other"}}`)
	for _, step := range []plan.Step{plan.Inspect, plan.Correct} {
		got := w.engine.Execute(t.Context(), engine.Action{
			Step: step, Target: w.target(), Objects: rolled.Inventory, Audit: true,
		})
		lines := told(got.Drift)
		want := `ConfigMap web .data.a changed by "kubectl-edit": "other" > "one"`
		if got.Err != nil || !slices.Contains(lines, want) {
			t.Errorf("%s tells %v, %v", step, lines, got.Err)
		}
	}
	if got := field(w.get("ConfigMap", "web"), "data", "a"); got != "one" {
		t.Errorf("a is %v", got)
	}
}
