package remediation

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// Until a controller has seen an object, its status says so.
func TestStatusBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	if world.untouched != `{"observedGeneration":-1}` {
		t.Errorf("the status is %s", world.untouched)
	}
}

const threeSources = `
apiVersion: fairlead.dev/v1beta1
kind: OCIRepository
metadata: {name: kiosk}
spec: {url: "oci://$REGISTRY/charts/kiosk", insecure: true, ref: {semver: 1.x}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: from-oci}
spec:
  chartRef: {kind: OCIRepository, name: kiosk}
  test: {enable: true}
  values: {replicas: 2}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: from-git}
spec:
  chart: {spec: {chart: ./charts/kiosk, sourceRef: {kind: GitRepository, name: fleet, namespace: sources}}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: from-charts}
spec:
  chart: {spec: {chart: kiosk, version: "~1.1", sourceRef: {kind: HelmRepository, name: charts, namespace: sources}}}
`

// A namespace with releases of every source can be deleted as a whole.
func TestSamples(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, threeSources)
	tested := good("1 deployed")
	tested.TestSuccess = "True"
	hr := await(t, ns, "from-oci", tested)
	if got := hr.Status.Latest().ChartVersion; got != "1.1.0" {
		t.Errorf("version %s, want the newest of the range that is no pre-release", got)
	}
	if got := get(t, ns, "from-oci-kiosk", &appsv1.Deployment{}).Status.ReadyReplicas; got != 2 {
		t.Errorf("%d replicas are ready", got)
	}
	await(t, ns, "from-git", good("1 deployed"))
	await(t, ns, "from-charts", good("1 deployed"))
	mustRun(t, "kubectl", "delete", "namespace", ns, "--timeout", env.Patience.String())
}

func TestInventory(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, threeSources)
	for name, state := range map[string]state{"from-oci": {TestSuccess: "True"}, "from-git": {}, "from-charts": {}} {
		state.Released, state.Ready, state.History = "True", "True", []string{"1 deployed"}
		hr := await(t, ns, name, state)
		want := []v1beta1.ResourceRef{
			{ID: ns + "_" + name + "-kiosk__ConfigMap", Version: "v1"},
			{ID: ns + "_" + name + "-kiosk_apps_Deployment", Version: "v1"},
		}
		same := func(a, b v1beta1.ResourceRef) bool { return a.ID == b.ID && a.Version == b.Version }
		if hr.Status.Inventory == nil || !slices.EqualFunc(hr.Status.Inventory.Entries, want, same) {
			t.Errorf("%s: inventory %v, want %v", name, hr.Status.Inventory, want)
		}
	}
}

// A Job that deletes itself as soon as it has completed counts as completed, as a hook and as an object of the chart.
func TestJobsThatDeleteThemselves(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  values: {jobs: true}"))
	await(t, ns, "web", good("1 deployed"))
	ran := false
	for _, hook := range recordOf(t, ns, "web").Hooks {
		ran = ran || hook.Name == "web-greet" && hook.LastRun.Phase == "Succeeded"
	}
	if !ran {
		t.Error("the hook has not succeeded")
	}
}

func TestDependenciesComeFirst(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("frontend", "  dependsOn: [{name: backend}]"))
	apply(t, ns, release("backend", ""))
	await(t, ns, "frontend", good("1 deployed"))
	await(t, ns, "backend", good("1 deployed"))
	front, back := recordOf(t, ns, "frontend").Info.FirstDeployed, recordOf(t, ns, "backend").Info.FirstDeployed
	if !back.Before(front) {
		t.Errorf("the frontend was installed at %s, the backend at %s", front, back)
	}
	for _, condition := range get(t, ns, "backend-kiosk", &appsv1.Deployment{}).Status.Conditions {
		if condition.Type == appsv1.DeploymentAvailable && front.Before(condition.LastTransitionTime.Time) {
			t.Errorf("the frontend was installed at %s, before the backend was available at %s", front,
				condition.LastTransitionTime)
		}
	}
}

// Dependencies of other kinds, and judged by an expression, with the identity of the release.
func TestDependenciesOfAnyKind(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", `  dependsOn:
    - {apiVersion: apps/v1, kind: Deployment, name: db-kiosk, readyExpr: "dep.status.?readyReplicas.orValue(0) >= 2"}
    - {name: db, readyExpr: "dep.status.history[0].version >= 2 && self.metadata.name == 'web'"}
    - {apiVersion: v1, kind: ConfigMap, name: gate}`))
	apply(t, ns, release("db", "  values: {replicas: 1}"))
	await(t, ns, "db", good("1 deployed"))
	waiting := state{Ready: "False"}
	await(t, ns, "web", waiting)
	apply(t, ns, release("db", "  values: {replicas: 2}"))
	await(t, ns, "db", good("1 superseded", "2 deployed"))
	await(t, ns, "web", waiting)
	apply(t, ns, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gate}")
	await(t, ns, "web", good("1 deployed"))
	if web, db := recordOf(t, ns, "web").Info.FirstDeployed, recordOf(t, ns, "db").Info.LastDeployed; !db.Before(web) {
		t.Errorf("web was installed at %s, before db was upgraded at %s", web, db)
	}
}

func TestValuesFrom(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  limits: |
    resources: {limits: {cpu: 100m, memory: 64Mi}}
  requests: |
    resources: {requests: {cpu: 10m}}
  cpu: 250m
  list: "{a,b,c}"
  item: d
  annotation: production
---
apiVersion: v1
kind: Secret
metadata: {name: private}
stringData:
  values.yaml: |
    token: correct-horse
    replicas: 5
---
`+release("web", `  valuesFrom:
    - {kind: ConfigMap, name: settings, valuesKey: limits}
    - {kind: ConfigMap, name: settings, valuesKey: requests}
    - {kind: ConfigMap, name: settings, valuesKey: cpu, targetPath: resources.limits.cpu}
    - {kind: ConfigMap, name: settings, valuesKey: list, targetPath: list.example}
    - {kind: ConfigMap, name: settings, valuesKey: item, targetPath: "list.example[2]"}
    - {kind: ConfigMap, name: settings, valuesKey: list, targetPath: text, literal: true}
    - {kind: ConfigMap, name: settings, valuesKey: annotation, targetPath: annotations.some\.example\.com\/env}
    - {kind: Secret, name: private}
    - {kind: Secret, name: absent, optional: true}
  values: {replicas: 2}`))
	await(t, ns, "web", good("1 deployed"))
	want := `USER-SUPPLIED VALUES:
annotations:
  some.example.com/env: production
list:
  example:
  - a
  - b
  - d
replicas: 2
resources:
  limits:
    cpu: 250m
    memory: 64Mi
  requests:
    cpu: 10m
text: '{a,b,c}'
token: correct-horse
`
	if got := mustRun(t, "helm", "-n", ns, "get", "values", "web"); got != want {
		t.Errorf("helm get values prints:\n%s\nwant:\n%s", got, want)
	}
}

// The name of a release with a target namespace has that in front; its records stay where the object is.
func TestTargetNamespace(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, `
apiVersion: v1
kind: Namespace
metadata: {name: $NS-t}
---
`+release("there", "  targetNamespace: $NS-t"))
	apply(t, ns, release("made", "  targetNamespace: $NS-made\n  install: {createNamespace: true}"))
	for name, target := range map[string]string{"there": ns + "-t", "made": ns + "-made"} {
		hr := awaitReady(t, ns, name)
		full := target + "-" + name
		if latest := hr.Status.Latest(); latest.Name != full || latest.Namespace != target ||
			hr.Status.StorageNamespace != ns {
			t.Errorf("%s: release %s in %s, records in %s", name, latest.Name, latest.Namespace, hr.Status.StorageNamespace)
		}
		get(t, target, full+"-kiosk", &appsv1.Deployment{})
		get(t, ns, "sh.helm.release.v1."+full+".v1", &corev1.Secret{})
	}
}

func TestChartReferences(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, `
apiVersion: fairlead.dev/v1beta1
kind: HelmRepository
metadata: {name: charts}
spec: {url: "http://$CHARTS"}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmChart
metadata: {name: kiosk}
spec: {chart: kiosk, version: 1.0.0, sourceRef: {kind: HelmRepository, name: charts}}
---
apiVersion: fairlead.dev/v1beta1
kind: OCIRepository
metadata: {name: kiosk}
spec: {url: "oci://$REGISTRY/charts/kiosk", insecure: true, ref: {tag: 1.1.0}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: of-chart}
spec: {chartRef: {kind: HelmChart, name: kiosk}}
---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: of-oci}
spec: {chartRef: {kind: OCIRepository, name: kiosk}}
`)
	for name, version := range map[string]string{"of-chart": "1.0.0", "of-oci": "1.1.0"} {
		hr := await(t, ns, name, good("1 deployed"))
		if got := hr.Status.Latest().ChartVersion; got != version {
			t.Errorf("%s runs %s, want %s", name, got, version)
		}
	}
}

func TestPostRenderers(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", `  postRenderers:
    - kustomize:
        patches:
          - patch: |
              apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web-kiosk, labels: {merged: "yes"}}
          - target: {kind: Deployment, name: web-.*}
            patch: |
              - {op: add, path: /metadata/labels/patched, value: "yes"}
        images: [{name: example.com/kiosk, newName: mirror.example.com/kiosk, newTag: 9.9.9}]
  commonMetadata: {labels: {team: blue}}`))
	await(t, ns, "web", good("1 deployed"))
	deployment := get(t, ns, "web-kiosk", &appsv1.Deployment{})
	for label, want := range map[string]string{"merged": "yes", "patched": "yes", "app": "kiosk", "team": "blue"} {
		if got := deployment.Labels[label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	if got := deployment.Spec.Template.Spec.Containers[0].Image; got != "mirror.example.com/kiosk:9.9.9" {
		t.Errorf("image %s", got)
	}
	if got := get(t, ns, "web-kiosk", &corev1.ConfigMap{}).Labels["team"]; got != "blue" {
		t.Errorf("the ConfigMap has the label %q", got)
	}
	if manifest := mustRun(t, "helm", "-n", ns, "get", "manifest", "web"); !strings.Contains(manifest,
		"patched: \"yes\"") {
		t.Errorf("the record does not have what was applied:\n%s", manifest)
	}
}
