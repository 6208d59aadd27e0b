package integration

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

// gearDefinition is a definition of a kind of its own; fields is what its spec may have, versions what it adds.
func gearDefinition(ns, fields, versions string) string {
	return strings.NewReplacer("$NS", ns, "$FIELDS", fields, "$VERSIONS", versions).Replace(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.$NS.example.com}
spec:
  group: $NS.example.com
  names: {kind: Gear, plural: gears}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, $FIELDS}}}}
$VERSIONS`)
}

// stored has the version that comes second be the one in which objects are stored.
func stored(definition string) string {
	return strings.Replace(definition, "storage: true", "storage: false", 1)
}

func gearOf(ns, version, spec string) string {
	return "apiVersion: " + ns + ".example.com/" + version + "\nkind: Gear\nmetadata: {name: one}\nspec: " + spec + "\n"
}

// liveGear is the object as the API server has it.
func liveGear(t *testing.T, ns, version string) *unstructured.Unstructured {
	t.Helper()
	return get(t, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": ns + ".example.com/" + version, "kind": "Gear",
		"metadata": map[string]any{"namespace": ns, "name": "one"},
	}})
}

// A definition that grows and an object that uses what is new come in one revision, as in every update of an
// operator.
func TestADefinitionGrowsWithItsObjects(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	const (
		first  = "properties: {teeth: {type: integer}}"
		second = "properties: {teeth: {type: integer}, metal: {type: string, enum: [iron, brass]}, width: {type: integer, default: 3}}"
		third  = "properties: {teeth: {type: integer}, metal: {type: string, enum: [iron, brass]}, width: {type: integer, default: 3}, " +
			"color: {type: string}}, x-kubernetes-validations: [{rule: 'self.teeth < 20', message: no more than twenty teeth}]"
		v2 = "  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: " +
			"{type: object, properties: {teeth: {type: integer}, metal: {type: string}, " +
			"width: {type: integer}, holes: {type: integer, default: 4}}}}}}}\n"
	)
	fleet(t, ns, map[string]string{
		"crd.yaml": gearDefinition(ns, first, ""), "gear.yaml": gearOf(ns, "v1", "{teeth: 12}"),
		"a.yaml": settings("a", "one"),
	})
	k := kustomization(ns, "apps", "")
	apply(t, k)
	awaitReady(t, k)
	uid := liveGear(t, ns, "v1").GetUID()

	sha := commit(t, ns, map[string]string{
		"crd.yaml": gearDefinition(ns, second, ""), "gear.yaml": gearOf(ns, "v1", "{teeth: 12, metal: brass}"),
	})
	awaitApplied(t, k, sha)
	live := liveGear(t, ns, "v1")
	if metal, _, _ := unstructured.NestedString(live.Object, "spec", "metal"); metal != "brass" || live.GetUID() != uid {
		t.Errorf("the field that is new is %q", metal)
	}

	// What the new schema, or a rule of it, is against, is refused before the definition is written.
	for says, spec := range map[string]string{
		"no more than twenty teeth": "{teeth: 24, color: red}",
		"spec.colour":               "{teeth: 12, colour: red}",
		"spec.metal":                "{teeth: 12, metal: gold, color: red}",
	} {
		commit(t, ns, map[string]string{
			"crd.yaml": gearDefinition(ns, third, ""), "gear.yaml": gearOf(ns, "v1", spec), "a.yaml": settings("a", says),
		})
		until(t, "it is refused: "+says, func() bool {
			ready := condition(t, k, v1beta1.ReadyCondition)
			return ready.Reason == v1beta1.ValidationFailedReason && strings.Contains(ready.Message, says)
		})
		crd := get(t, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": "gears." + ns + ".example.com"},
		}})
		if crd.GetGeneration() != 2 || !holds(t, ns, "a", "one") {
			t.Errorf("%s: something was written: the definition has generation %d", says, crd.GetGeneration())
		}
	}
	sha = commit(t, ns, map[string]string{
		"crd.yaml":  gearDefinition(ns, third, ""),
		"gear.yaml": gearOf(ns, "v1", "{teeth: 12, metal: brass, color: red}"),
		"a.yaml":    settings("a", "two"),
	})
	awaitApplied(t, k, sha)

	// A version that is new, and used.
	sha = commit(t, ns, map[string]string{
		"crd.yaml": stored(gearDefinition(ns, third, v2)), "gear.yaml": gearOf(ns, "v2", "{teeth: 13, holes: 6}"),
	})
	awaitApplied(t, k, sha)
	live = liveGear(t, ns, "v2")
	if holes, _, _ := unstructured.NestedInt64(live.Object, "spec", "holes"); holes != 6 || live.GetUID() != uid {
		t.Errorf("the object in the new version: %v", live.Object["spec"])
	}
	awaitReady(t, k)
}
