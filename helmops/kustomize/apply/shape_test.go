package apply

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/test/build"
)

const (
	gearsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gears.example.dev"
	gearPath  = "/apis/example.dev/v1/namespaces/team/gears/one"
	gearsText = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.example.dev}
spec:
  group: example.dev
  scope: Namespaced
  names: {kind: Gear, plural: gears}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {teeth: {type: integer}, metal: {type: string, enum: [iron, brass]}}}
`
)

// discovered is a group with one kind.
func discovered(group, kind, plural string, scope apidiscovery.ResourceScope) apidiscovery.APIGroupDiscovery {
	resource := apidiscovery.APIResourceDiscovery{
		Resource: plural, SingularResource: strings.ToLower(kind), Scope: scope,
		Verbs:        []string{"get", "list", "delete"},
		ResponseKind: &metav1.GroupVersionKind{Group: group, Version: "v1", Kind: kind},
	}
	version := apidiscovery.APIVersionDiscovery{
		Version: "v1", Freshness: apidiscovery.DiscoveryFreshnessCurrent,
		Resources: []apidiscovery.APIResourceDiscovery{resource},
	}
	return apidiscovery.APIGroupDiscovery{
		ObjectMeta: metav1.ObjectMeta{Name: group}, Versions: []apidiscovery.APIVersionDiscovery{version},
	}
}

// custom are groups with the kinds that the tests of definitions need.
func custom() []apidiscovery.APIGroupDiscovery {
	return []apidiscovery.APIGroupDiscovery{
		discovered("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions",
			apidiscovery.ScopeCluster),
		discovered("example.dev", "Gear", "gears", apidiscovery.ScopeNamespace),
	}
}

// ofTheTeam labels an object as one of the team's Kustomization.
func ofTheTeam(t *testing.T, text string) Object {
	t.Helper()
	o := build.Object(t, text)
	o.SetLabels(
		map[string]string{v1beta1.KustomizationNameLabel: ofTeam.Name, v1beta1.KustomizationNamespaceLabel: ofTeam.Namespace})
	return Object{Unstructured: o}
}

func brassGear(t *testing.T, spec string) Object {
	t.Helper()
	return ofTheTeam(t, "apiVersion: example.dev/v1\nkind: Gear\nmetadata: {name: one, namespace: team}\nspec: "+spec)
}

// unknownMetal is what an API server says that serves the schema without the field.
func unknownMetal() *metav1.Status {
	return refusalOf(http.StatusInternalServerError, metav1.StatusReasonInternalError,
		"failed to create typed patch object (team/one; example.dev/v1, Kind=Gear): .spec.metal: field not declared in schema")
}

// growing is an API server that serves the new schema only after the definition was written, and some more attempts.
func growing(t *testing.T, late int32, stale func() *metav1.Status) (s *apiServer, writes *atomic.Int32) {
	t.Helper()
	s = newAPIServer(t)
	s.groups = custom()
	var written atomic.Bool
	writes = &atomic.Int32{}
	s.answer = func(user, method, path string, dryRun bool) *metav1.Status {
		switch {
		case user == "" || method != http.MethodPatch:
		case path == gearsPath && !dryRun:
			written.Store(true)
		case path == gearPath && dryRun:
			return stale()
		case path == gearPath && !written.Load():
			t.Error("an object is written before its definition")
		case path == gearPath && writes.Add(1) <= late:
			return stale()
		}
		return nil
	}
	return s, writes
}

// An object with a field that the definition of the same set adds follows the definition, as soon as the API server
// serves it.
func TestAnObjectFollowsTheDefinitionThatGrows(t *testing.T) {
	t.Parallel()
	s, writes := growing(t, 3, unknownMetal)
	s.put(gearPath, brassGear(t, "{teeth: 12}").Object)
	set := Set{Owner: ofTeam, Objects: []Object{ofTheTeam(t, gearsText), brassGear(t, "{teeth: 12, metal: brass}")}}
	result := s.engine(t).Apply(t.Context(), cluster.Access{User: good}, set)
	if result.Err != nil || len(result.Inventory) != 2 || writes.Load() != 4 {
		t.Errorf("after %d attempts: %+v", writes.Load(), result)
	}
	if diff := cmp.Diff([]string{"CustomResourceDefinition gears.example.dev", "Gear team/one"},
		slices.Sorted(slices.Values(
			slices.Concat(result.Created, result.Changed)))); diff != "" {
		t.Error(diff)
	}
}

// Without a definition in the set that changes, what the API server says is the end of it.
func TestAnObjectOfADefinitionThatStaysIsRefused(t *testing.T) {
	t.Parallel()
	s, writes := growing(t, 1, unknownMetal)
	set := Set{Owner: ofTeam, Objects: []Object{brassGear(t, "{teeth: 12, metal: brass}")}}
	result := s.engine(t).Apply(t.Context(), cluster.Access{User: good}, set)
	if reason, final := Reason(result.Err); reason != v1beta1.ValidationFailedReason || final || writes.Load() > 0 {
		t.Errorf("%s, %t, %v", reason, final, result.Err)
	}
}

// What the new schema has against an object is found before anything is written, whatever the one of before says.
func TestTheNewSchemaRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spec, want string
		stale      *metav1.Status
		before     bool
	}{
		"a value of the new field": {spec: "{metal: gold}", want: "spec.metal: Unsupported value",
			stale: unknownMetal()},
		"a field that neither knows": {spec: "{metla: iron}",
			want: "spec.metla: Forbidden: the kind has no such field", stale: unknownMetal()},
		"what the old one takes":      {spec: "{metal: gold}", want: "spec.metal: Unsupported value"},
		"an object that is as it was": {spec: "{metal: gold}", want: "spec.metal: Unsupported value", before: true},
		"a policy, which is no schema's": {spec: "{metal: iron}", want: "denied",
			stale: refusalOf(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "denied")},
		"a right, which is no schema's too": {spec: "{metal: iron}", want: "may not",
			stale: refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "may not")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := growing(t, 0, func() *metav1.Status { return tt.stale })
			engine := s.engine(t)
			gear := brassGear(t, tt.spec)
			set := Set{Owner: ofTeam, Objects: []Object{ofTheTeam(t, gearsText), gear}}
			if tt.before { // what is in the inventory as it is wanted is not written
				s.put(gearPath, gear.Object)
				set.Before = inventoryOf(t, engine, gear)
			}
			result := engine.Apply(t.Context(), cluster.Access{User: good}, set)
			reason, _ := Reason(result.Err)
			if result.Err == nil || !strings.Contains(result.Err.Error(), tt.want) || reason == v1beta1.ApplyFailedReason {
				t.Errorf("%s: %v, want %q", reason, result.Err, tt.want)
			}
			if result.Inventory != nil || s.has(gearsPath) {
				t.Errorf("the definition was written: %+v", result)
			}
		})
	}
}

// inventoryOf is what a set has left behind that has written an object as it is.
func inventoryOf(t *testing.T, engine *Engine, o Object) []v1beta1.ResourceRef {
	t.Helper()
	i, err := newItem(o, engine.config.Local.Mapper(), nil, "team")
	if err != nil {
		t.Fatal(err)
	}
	i.ownership = tracker.OwnershipText(tracker.Kustomizations().Reduce(o.Unstructured).Ownership)
	return []v1beta1.ResourceRef{i.inventory()}
}

// The definition is refused by itself: what it says is not looked at then.
func TestADefinitionThatIsRefusedJudgesNothing(t *testing.T) {
	t.Parallel()
	s, _ := growing(t, 0, unknownMetal)
	inner := s.answer
	s.answer = func(user, method, path string, dryRun bool) *metav1.Status {
		if path == gearsPath && method == http.MethodPatch {
			return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "no definitions")
		}
		return inner(user, method, path, dryRun)
	}
	set := Set{Owner: ofTeam, Objects: []Object{ofTheTeam(t, gearsText), brassGear(t, "{metal: gold}")}}
	result := s.engine(t).Apply(t.Context(), cluster.Access{User: evil}, set)
	if result.Err == nil || !strings.Contains(result.Err.Error(), "no definitions") ||
		strings.Contains(result.Err.Error(), "gold") {
		t.Errorf("%v", result.Err)
	}
	if slices.Contains(s.asked(evil), "PATCH "+gearPath) {
		t.Error("an object is tried although its definition is refused")
	}
}

// An object of a version that the set adds has the owner that it has in the version of before.
func TestTheOwnerOfAnObjectOfANewVersion(t *testing.T) {
	t.Parallel()
	s, _ := growing(t, 0, func() *metav1.Status { return nil })
	live := brassGear(t, "{teeth: 12}")
	live.SetLabels(
		map[string]string{v1beta1.KustomizationNameLabel: "other", v1beta1.KustomizationNamespaceLabel: ofTeam.Namespace})
	s.put(gearPath, live.Object)
	grown := ofTheTeam(t,
		gearsText+"  - {name: v2, served: true, storage: false, schema: {openAPIV3Schema: {type: object}}}\n")
	newer := brassGear(t, "{}")
	newer.SetGroupVersionKind(schema.GroupVersionKind{Group: "example.dev", Version: "v2", Kind: "Gear"})
	delete(newer.Object, "spec")
	result := s.engine(t).Apply(t.Context(), cluster.Access{User: good},
		Set{Owner: ofTeam, Objects: []Object{grown, newer}})
	if reason, _ := Reason(result.Err); reason != v1beta1.OwnershipConflictReason || s.has(gearsPath) {
		t.Errorf("%s: %v", reason, result.Err)
	}
}
