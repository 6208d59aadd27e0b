package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// A chart whose definition grows in one version together with an object that uses what is new, wherever it has the
// definition.
func TestADefinitionOfAChartGrows(t *testing.T) {
	t.Parallel()
	const (
		first  = "properties: {teeth: {type: integer}}"
		second = "properties: {teeth: {type: integer}, metal: {type: string, enum: [iron, brass]}}"
		third  = "properties: {teeth: {type: integer}, metal: {type: string, enum: [iron, brass]}}, " +
			"x-kubernetes-validations: [{rule: 'self.teeth < 20', message: no more than twenty teeth}]"
		v2 = "  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: " +
			"{type: object, properties: {teeth: {type: integer}, metal: {type: string}, holes: {type: integer, default: 4}}}}}}}\n"
	)
	for _, dir := range []string{"crds", "templates"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			ns := namespace(t)
			charts := chartRepository(t, servers.ChartOptions{}, "sample")
			add := func(version, definition, gear string) {
				files := map[string]string{dir + "/gears.yaml": definition}
				if gear != "" {
					files["templates/gear.yaml"] = gear
				}
				addChart(t, charts, version, files)
			}
			add("1.0.0", gearDefinition(ns, first, ""), "")
			hr := release(ns, "web", "sample", "*", "charts", `{}`)
			hr.Spec.Upgrade = &v1beta1.Upgrade{CRDs: v1beta1.CRDsPolicy("CreateReplace")}
			apply(t, helmRepository(ns, "charts", charts.URL()), hr)
			awaitReady(t, hr)
			add("1.0.1", gearDefinition(ns, first, ""), gearOf(ns, "v1", "{teeth: 12}"))
			awaitVersion(t, hr, "1.0.1")

			add("1.1.0", gearDefinition(ns, second, ""), gearOf(ns, "v1", "{teeth: 12, metal: brass}"))
			awaitVersion(t, hr, "1.1.0")
			live := liveGear(t, ns, "v1")
			if metal, _, _ := unstructured.NestedString(live.Object, "spec", "metal"); metal != "brass" {
				t.Errorf("the field that is new is %q", metal)
			}
			applied(t, live, ns+".example.com/v1")
			if dir == "templates" {
				add("1.2.0", gearDefinition(ns, third, ""), gearOf(ns, "v1", "{teeth: 24, metal: brass}"))
				ready := awaitNotReady(t, hr, v1beta1.PreflightRejectedReason)
				says(t, ready.Message, "no more than twenty teeth")
				crd := get(t, &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
					"metadata": map[string]any{"name": "gears." + ns + ".example.com"},
				}})
				if crd.GetGeneration() != 2 {
					t.Errorf("the definition was written: generation %d", crd.GetGeneration())
				}
				return
			}
			add("1.3.0", stored(gearDefinition(ns, third, v2)), gearOf(ns, "v2", "{teeth: 13, metal: brass}"))
			awaitVersion(t, hr, "1.3.0")
			applied(t, liveGear(t, ns, "v2"), ns+".example.com/v2")
		})
	}
}

// applied checks that Fairlead owns fields of an object in one way, by an apply of a version: written otherwise, it
// is not Fairlead's to repair.
func applied(t *testing.T, live *unstructured.Unstructured, version string) {
	t.Helper()
	var ours []metav1.ManagedFieldsEntry
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == "helm" {
			ours = append(ours, entry)
		}
	}
	if len(ours) != 1 || ours[0].Operation != metav1.ManagedFieldsOperationApply || ours[0].APIVersion != version {
		t.Errorf("the fields are owned by %+v", ours)
	}
}
