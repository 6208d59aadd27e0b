package apply

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/keep"
	"fairlead.dev/fairlead/test/build"
)

// invalidField is what an API server says whose schema, or whose rule, is against a field.
func invalidField(path, message string) *metav1.Status {
	text := `Gear "one" is invalid: ` + path + ": " + message
	status := refusalOf(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, text)
	status.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: path, Message: message}}}
	return status
}

// applied applies a set as the one who may, within a time that no test should need.
func (s *apiServer) applied(t *testing.T, set Set) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return s.engine(t).Apply(ctx, cluster.Access{User: good}, set)
}

// gearSet is a set of the definition and of a Gear.
func gearSet(t *testing.T, definition, spec string) Set {
	t.Helper()
	return Set{Owner: ofTeam, Objects: []Object{ofTheTeam(t, definition), brassGear(t, spec)}}
}

// A value that only the new schema takes is written once the API server serves that schema.
func TestAValueThatTheNewSchemaTakes(t *testing.T) {
	t.Parallel()
	s, writes := growing(t, 3, func() *metav1.Status {
		return invalidField("spec.metal", `Unsupported value: "brass"`)
	})
	result := s.applied(t, gearSet(t, gearsText, "{metal: brass}"))
	if result.Err != nil || writes.Load() != 4 {
		t.Errorf("after %d attempts: %v", writes.Load(), result.Err)
	}
}

// What the API server takes in a trial and refuses when it is written is not a matter of the schema: it is not tried
// again.
func TestARefusalAfterATrialThatSucceeded(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.groups = custom()
	var writes atomic.Int32
	s.answer = func(_, method, path string, dryRun bool) *metav1.Status {
		if path == gearPath && method == http.MethodPatch && !dryRun {
			writes.Add(1)
			return invalidField("spec.metal", "it is out of stock")
		}
		return nil
	}
	result := s.applied(t, gearSet(t, gearsText, "{metal: brass}"))
	if result.Err == nil || !strings.Contains(result.Err.Error(), "out of stock") || writes.Load() != 1 {
		t.Errorf("after %d attempts: %v", writes.Load(), result.Err)
	}
}

// A kind that is new takes some time to be served.
func TestAKindThatIsNotServedYet(t *testing.T) {
	t.Parallel()
	s, writes := growing(t, 3, func() *metav1.Status {
		return refusalOf(http.StatusNotFound, metav1.StatusReasonNotFound, "could not find the requested resource")
	})
	inner := s.answer
	s.answer = func(user, method, path string, dryRun bool) *metav1.Status {
		if dryRun {
			return nil
		}
		return inner(user, method, path, dryRun)
	}
	result := s.applied(t, gearSet(t, gearsText, "{metal: brass}"))
	if result.Err != nil || writes.Load() != 4 {
		t.Errorf("after %d attempts: %v", writes.Load(), result.Err)
	}
}

// A change that a rule of the definition forbids, to a value that is right in itself, is a change of a field that
// cannot be changed: force makes the object again.
func TestAChangeThatARuleForbids(t *testing.T) {
	t.Parallel()
	ruled := strings.Replace(gearsText, "spec: {type: object,", "spec: {type: object, x-kubernetes-validations: "+
		`[{rule: "self.teeth == oldSelf.teeth", message: Value is immutable}],`, 1)
	const recreated = "Gear team/one (deleted and recreated)"
	for _, force := range []bool{false, true} {
		s := newAPIServer(t)
		s.groups = custom()
		s.put(gearPath, brassGear(t, "{teeth: 12}").Object)
		s.answer = func(_, method, path string, _ bool) *metav1.Status {
			if path == gearPath && method == http.MethodPatch && s.has(gearPath) {
				return invalidField("spec", "Value is immutable")
			}
			return nil
		}
		set := gearSet(t, ruled, "{teeth: 13}")
		set.Force = force
		result := s.applied(t, set)
		switch {
		case force && (result.Err != nil || !slices.Contains(result.Changed, recreated)):
			t.Errorf("with force: %v, %v", result.Err, result.Changed)
		case !force && (result.Err == nil || !strings.Contains(result.Err.Error(), "spec.force")):
			t.Errorf("without force: %v", result.Err)
		}
	}
}

// An object that drift detection leaves out, and that another client deleted, is nothing to judge.
func TestAnObjectThatStaysAway(t *testing.T) {
	t.Parallel()
	s, _ := growing(t, 0, func() *metav1.Status { return nil })
	gear := brassGear(t, "{teeth: 12}")
	gear.SetAnnotations(map[string]string{v1beta1.DriftIgnoreAnnotation: v1beta1.Ignored})
	set := Set{
		Owner: ofTeam, Before: inventoryOf(t, s.engine(t), gear), Objects: []Object{ofTheTeam(t, gearsText), gear},
	}
	if result := s.applied(t, set); result.Err != nil || s.has(gearPath) || !s.has(gearsPath) {
		t.Errorf("%+v", result)
	}
}

// The new schema is for the object as it will be, with what others have set, and a rule about a change compares it
// with the object as it is.
func TestTheNewSchemaJudgesTheWholeObject(t *testing.T) {
	t.Parallel()
	ruled := strings.Replace(gearsText, "spec: {type: object,", "spec: {type: object, required: [teeth], "+
		`x-kubernetes-validations: [{rule: "self.teeth >= oldSelf.teeth", message: it loses teeth}],`, 1)
	for name, tt := range map[string]struct {
		live, spec, want string
		stale            *metav1.Status
	}{
		"others set what is wrong now": {live: "{teeth: 12, metal: gold}", spec: "{teeth: 12}", want: "spec.metal"},
		"a change":                     {live: "{teeth: 12}", spec: "{teeth: 11}", want: "it loses teeth"},
		"a change, with the new field": {
			live: "{teeth: 12}", spec: "{teeth: 11, metal: iron}", want: "it loses teeth", stale: unknownMetal(),
		},
		"others set what the manifest leaves": {live: "{teeth: 12}", spec: "{metal: iron}", stale: unknownMetal()},
		"an object that is new":               {spec: "{metal: iron}", want: "spec.teeth", stale: unknownMetal()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := growing(t, 0, func() *metav1.Status { return tt.stale })
			s.merges = true
			if tt.live != "" {
				s.put(gearPath, brassGear(t, tt.live).Object)
			}
			result := s.applied(t, gearSet(t, ruled, tt.spec))
			switch {
			case tt.want == "" && result.Err != nil:
				t.Error(result.Err)
			case tt.want != "" && (result.Err == nil || !strings.Contains(result.Err.Error(), tt.want)):
				t.Errorf("%v, want %q", result.Err, tt.want)
			case tt.want != "" && s.has(gearsPath):
				t.Error("the definition is written")
			}
		})
	}
}

// A kind that the cluster does not know yet, although its definition is there, is judged by that definition.
func TestAKindOfADefinitionThatIsThere(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.groups = custom()[:1]
	definition := ofTheTeam(t, gearsText)
	s.put(gearsPath, definition.Object)
	set := Set{
		Owner: ofTeam, Before: inventoryOf(t, s.engine(t), definition),
		Objects: []Object{definition, brassGear(t, "{metal: gold}")},
	}
	result := s.applied(t, set)
	if result.Err == nil || !strings.Contains(result.Err.Error(), "spec.metal: Unsupported value") {
		t.Error(result.Err)
	}
}

// Only objects of a kind whose definition is written wait for its schema.
func TestOtherKindsDoNotWaitForADefinition(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.groups = append(custom(), discovered("other.dev", "Gear", "gears", apidiscovery.ScopeNamespace))
	var writes atomic.Int32
	s.answer = func(_, method, path string, dryRun bool) *metav1.Status {
		if path == gearPath && method == http.MethodPatch && !dryRun {
			writes.Add(1)
			return unknownMetal()
		}
		return nil
	}
	definition := ofTheTeam(t, gearsText)
	s.put(gearsPath, definition.Object)
	other := ofTheTeam(t, strings.ReplaceAll(gearsText, "example.dev", "other.dev"))
	set := Set{
		Owner: ofTeam, Before: inventoryOf(t, s.engine(t), definition),
		Objects: []Object{definition, other, brassGear(t, "{metal: brass}")},
	}
	if result := s.applied(t, set); result.Err == nil || writes.Load() != 1 {
		t.Errorf("after %d attempts: %v", writes.Load(), result.Err)
	}
}

// An object whose definition goes with it keeps that definition from nothing.
func TestADefinitionGoesWithItsObjects(t *testing.T) {
	t.Parallel()
	definition, gear := ofTheTeam(t, gearsText), brassGear(t, "{teeth: 12}")
	for name, foreign := range map[string]bool{"its own": false, "and one of others": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			s.groups = custom()
			s.put(gearsPath, definition.Object)
			s.put(gearPath, gear.Object)
			if foreign {
				two := "apiVersion: example.dev/v1\nkind: Gear\nmetadata: {name: two, namespace: team}\n"
				s.put(strings.Replace(gearPath, "/one", "/two", 1), build.Object(t, two).Object)
			}
			engine := s.engine(t)
			before := slices.Concat(inventoryOf(t, engine, definition), inventoryOf(t, engine, gear))
			result := s.applied(t, Set{Owner: ofTeam, Prune: true, AllowEmpty: true, Before: before})
			stays := s.has(gearsPath)
			if result.Err != nil || s.has(gearPath) || stays != foreign || len(result.Retained) > 0 != foreign {
				t.Errorf("deleted are %v, kept %v: %v", result.Deleted, result.Retained, result.Err)
			}
		})
	}
}

func TestWhatGoesWithTheSameRun(t *testing.T) {
	t.Parallel()
	gears := schema.GroupVersionResource{Group: "example.dev", Version: "v1", Resource: "gears"}
	of := func(name string, there, kept bool) *pruneCandidate {
		return &pruneCandidate{resource: gears, namespace: "team", name: name, there: there, kept: keep.Verdict{Keep: kept}}
	}
	r := &run{gone: []*pruneCandidate{of("gone", true, false), of("kept", true, true), of("away", false, false)}}
	for _, tt := range []struct {
		resource        schema.GroupResource
		namespace, name string
		want            bool
	}{
		{gears.GroupResource(), "team", "gone", true},
		{gears.GroupResource(), "team", "kept", false},
		{gears.GroupResource(), "team", "away", false},
		{gears.GroupResource(), "team", "other", false},
		{gears.GroupResource(), "other", "gone", false},
		{schema.GroupResource{Resource: "gears"}, "team", "gone", false},
	} {
		if got := r.goesToo(tt.resource, tt.namespace, tt.name); got != tt.want {
			t.Errorf("%s %s/%s: %t", tt.resource, tt.namespace, tt.name, got)
		}
	}
}
