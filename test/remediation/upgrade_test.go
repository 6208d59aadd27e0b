package remediation

import (
	"fairlead.dev/fairlead/test/env"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/test/servers"
)

// A chart in a registry is followed by its digest.
func TestUpgradeByDigest(t *testing.T) {
	ns := namespace(t)
	digests := map[string]string{}
	for _, version := range []string{"1.0.0", "1.1.0"} {
		archive, err := servers.BuildChart(kiosk("kiosk", version))
		if err != nil {
			t.Fatal(err)
		}
		if digests[version], err = world.registry.PushChart(t.Context(), ns, archive); err != nil {
			t.Fatal(err)
		}
	}
	repository := func(version string) string {
		return `apiVersion: fairlead.dev/v1beta1
kind: OCIRepository
metadata: {name: kiosk}
spec: {url: "oci://$REGISTRY/$NS/kiosk", insecure: true, ref: {digest: "` + digests[version] + `"}}
`
	}
	apply(t, ns, repository("1.0.0")+`---
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: web}
spec: {chartRef: {kind: OCIRepository, name: kiosk}}`)
	await(t, ns, "web", good("1 deployed"))
	apply(t, ns, repository("1.1.0"))
	hr := await(t, ns, "web", good("1 superseded", "2 deployed"))
	env.Await(t, "the status tells of the upgrade", func() bool {
		return env.Read(t, world.cluster, hr).Status.Latest().Version == 2
	})
	if latest := hr.Status.Latest(); latest.ChartVersion != "1.1.0" || latest.ChartDigest != digests["1.1.0"] {
		t.Errorf("it runs %s, %s; want 1.1.0, %s", latest.ChartVersion, latest.ChartDigest, digests["1.1.0"])
	}
}

// of is the manifest of a release of any chart.
func of(name, chart, version, fields string) string {
	return `apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: ` + name + `}
spec:
  chart: {spec: {chart: ` + chart + `, version: "` + version + `", sourceRef: {kind: HelmRepository, name: charts, namespace: sources}}}
` + fields
}

func versions(t *testing.T, plural string) []string {
	t.Helper()
	crd := get(t, "", plural+".plant.example.com", &apiextensionsv1.CustomResourceDefinition{})
	var names []string
	for _, version := range crd.Spec.Versions {
		names = append(names, version.Name)
	}
	return names
}

// CRDs of a chart: an install creates them, an upgrade creates what is missing, and replaces what exists only when
// asked to. None ever goes.
func TestCRDs(t *testing.T) {
	ns := namespace(t)
	steps := []struct {
		version, fields string
		history         []string
		want            map[string]int // versions of each CRD
	}{
		{"1.0.0", "", []string{"1 deployed"}, map[string]int{"gauges": 1, "valves": 1, "levers": 1}},
		{
			"2.0.0", "  upgrade: {crds: Create}", []string{"1 superseded", "2 deployed"},
			map[string]int{"gauges": 1, "valves": 1, "levers": 1, "pumps": 1},
		},
		{"2.0.0", "  upgrade: {crds: CreateReplace}\n  values: {again: true}",
			[]string{"1 superseded", "2 superseded", "3 deployed"},
			map[string]int{"gauges": 1, "valves": 2, "levers": 1, "pumps": 1}},
	}
	for _, step := range steps {
		apply(t, ns, of("plant", "plant", step.version, step.fields))
		await(t, ns, "plant", good(step.history...))
		for plural, want := range step.want {
			if got := versions(t, plural); len(got) != want {
				t.Errorf("after %s%s: %s has the versions %v, want %d", step.version, step.fields, plural, got, want)
			}
		}
	}
	for _, object := range []string{"gauge", "pump"} {
		mustRun(t, "kubectl", "-n", ns, "get", object+".v1.plant.example.com", "one")
	}
}

// A chart of another name is installed again, unless it is to be upgraded in place.
func TestTheChartChangesItsName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields  string
		history []string
		kept    bool // the objects are those of the first revision
	}{
		"default":   {"", []string{"1 deployed"}, false},
		"reinstall": {"  upgrade: {chartNameChangeStrategy: Reinstall}", []string{"1 deployed"}, false},
		"in-place":  {"  upgrade: {chartNameChangeStrategy: InPlaceUpdate}", []string{"1 superseded", "2 deployed"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			apply(t, ns, of("web", "kiosk", "1.0.0", test.fields))
			await(t, ns, "web", good("1 deployed"))
			before := get(t, ns, "web-kiosk", &corev1.ConfigMap{})
			apply(t, ns, of("web", "stand", "1.1.0", test.fields))
			hr := await(t, ns, "web", good(test.history...))
			after := get(t, ns, "web-kiosk", &corev1.ConfigMap{})
			if after.Data["chart"] != "stand-1.1.0" || hr.Status.Latest().ChartName != "stand" {
				t.Errorf("it is made from %s, the status says %s", after.Data["chart"], hr.Status.Latest().ChartName)
			}
			if kept := before.UID == after.UID; kept != test.kept {
				t.Errorf("the ConfigMap was kept: %v, want %v", kept, test.kept)
			}
		})
	}
}

// checkApplied checks that a Deployment was written by server-side apply alone, as the helm command of the next
// generation does it.
func checkApplied(t *testing.T, ns, name string) {
	t.Helper()
	applied := 0
	for _, entry := range get(t, ns, name, &appsv1.Deployment{}).ManagedFields {
		if entry.Manager != "helm" {
			continue
		}
		if entry.Operation != metav1.ManagedFieldsOperationApply {
			t.Errorf("helm owns fields of %s by %s", name, entry.Operation)
		}
		applied++
	}
	if applied != 1 {
		t.Errorf("%s has %d entries of the manager helm, want one", name, applied)
	}
}

func TestObjectsAreApplied(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  values: {annotations: {at: one, gone: soon}}"))
	await(t, ns, "web", good("1 deployed"))
	checkApplied(t, ns, "web-kiosk")
	apply(t, ns, release("web", "  values: {annotations: {at: two}}"))
	await(t, ns, "web", good("1 superseded", "2 deployed"))
	checkApplied(t, ns, "web-kiosk")
	got := get(t, ns, "web-kiosk", &appsv1.Deployment{}).Spec.Template.Annotations
	if _, there := got["gone"]; there || got["at"] != "two" {
		t.Errorf("annotations %v", got)
	}
}

func TestRollbacksAreApplied(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  upgrade: {timeout: 3s}\n", unready)
	await(t, ns, "web", undone(failed("1 superseded", "2 failed", "3 deployed, Rollback to 1"), 1))
	checkApplied(t, ns, "web-kiosk")
	if args := get(t, ns, "web-kiosk", &appsv1.Deployment{}).Spec.Template.Spec.Containers[0].Args; len(args) != 0 {
		t.Errorf("the rollback left the arguments %v", args)
	}
}
