package apply

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/test/build"
)

var (
	planOwner  = types.NamespacedName{Namespace: "a", Name: "apps"}
	planAccess = cluster.Access{Namespace: "a"}
)

// configMapOf is a ConfigMap of the Kustomization.
func configMapOf(t *testing.T, name, value string) Object {
	t.Helper()
	return Object{Unstructured: build.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "+name+
		"\n  namespace: a\n  labels: {"+v1beta1.KustomizationNameLabel+": apps, "+
		v1beta1.KustomizationNamespaceLabel+": a}\ndata: {value: \""+value+"\"}\n")}
}

func configMapPath(name string) string { return "/api/v1/namespaces/a/configmaps/" + name }

func (s *apiServer) value(t *testing.T, name string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	data, _ := s.objects[configMapPath(name)]["data"].(map[string]any)
	value, _ := data["value"].(string)
	return value
}

func (s *apiServer) edit(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[configMapPath(name)]["data"] = map[string]any{"value": value}
}

// applied is a cluster with ConfigMaps one and two, and the inventory of what was applied.
func applied(t *testing.T) (*apiServer, *Engine, []v1beta1.ResourceRef) {
	t.Helper()
	s := newAPIServer(t)
	e := s.engine(t)
	set := Set{Owner: planOwner, Prune: true, Objects: []Object{configMapOf(t, "one", "x"), configMapOf(t, "two", "x")}}
	result := e.Apply(t.Context(), planAccess, set)
	if result.Err != nil || len(result.Inventory) != 2 {
		t.Fatalf("%+v", result)
	}
	return s, e, result.Inventory
}

func foresee(t *testing.T, e *Engine, set Set) *Foresight {
	t.Helper()
	f, err := e.Foresee(t.Context(), planAccess, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A plan says what would be created, changed and deleted, and writes nothing. Its digest depends on what is built, what
// is no longer wanted and what is applied, and neither on the live objects nor on the order of the manifests.
func TestForesee(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	set := Set{
		Owner: planOwner, Prune: true, Before: inventory, From: "sha256:1",
		Objects: []Object{configMapOf(t, "one", "y"), configMapOf(t, "three", "x")},
	}
	f := foresee(t, e, set)
	var got []string
	for _, o := range f.Objects {
		got = append(got, o.Ref()+" "+o.Change)
	}
	want := "ConfigMap one changed, ConfigMap three created, ConfigMap two deleted"
	if strings.Join(got, ", ") != want || f.Unchanged || f.Same != 0 {
		t.Errorf("it foresees %v, %+v; want %s", got, f, want)
	}
	if s.value(t, "one") != "x" || s.has(configMapPath("three")) || !s.has(configMapPath("two")) {
		t.Error("a plan has written something")
	}

	s.edit("one", "by hand")
	same := set
	same.Objects = []Object{set.Objects[1], set.Objects[0]}
	if again := foresee(t, e, same); again.Digest != f.Digest {
		t.Errorf("drift and the order of the manifests change the digest: %+v, %+v", again.Inputs, f.Inputs)
	}
	for name, change := range map[string]func(*Set){
		"another manifest":    func(s *Set) { s.Objects = []Object{configMapOf(t, "one", "z"), set.Objects[1]} },
		"another object":      func(s *Set) { s.Objects = s.Objects[:1] },
		"another start":       func(s *Set) { s.From = "sha256:2" },
		"other objects go":    func(s *Set) { s.Before = s.Before[:1] },
		"nothing is deleted":  func(s *Set) { s.Prune = false },
		"an object is pinned": func(*Set) { s.pin("two") },
	} {
		other := set
		change(&other)
		if foresee(t, e, other).Digest == f.Digest {
			t.Errorf("%s: the digest is the same", name)
		}
	}

	unchanged := set
	unchanged.Objects = []Object{configMapOf(t, "one", "x"), configMapOf(t, "two", "x")}
	if f := foresee(t, e, unchanged); !f.Unchanged {
		t.Errorf("the manifests are those that are applied: %+v", f)
	}
}

func (s *apiServer) pin(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	metadata, _ := s.objects[configMapPath(name)]["metadata"].(map[string]any)
	metadata["annotations"] = map[string]any{v1beta1.PruneAnnotation: v1beta1.Disabled}
}

// What the API server refuses is compared by its manifest; what is protected from pruning is kept.
func TestForeseeWhatIsRefusedAndKept(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	s.pin("two")
	s.answer = func(_, method, path string, dryRun bool) *metav1.Status {
		if method == "PATCH" && dryRun && strings.HasSuffix(path, "/one") {
			return refusalOf(422, metav1.StatusReasonInvalid, "no such value")
		}
		return nil
	}
	f := foresee(t, e, Set{
		Owner: planOwner, Prune: true, Before: inventory, Objects: []Object{configMapOf(t, "one", "y")},
	})
	if len(f.Objects) != 2 {
		t.Fatalf("%+v", f)
	}
	for _, o := range f.Objects {
		switch o.Name {
		case "one":
			if o.Change != "changed" || len(o.Fields) != 1 || o.Fields[0].Path != ".data.value" ||
				!o.Refused || !strings.Contains(o.Untried, "no such value") {
				t.Errorf("%+v", o)
			}
		case "two":
			if !strings.Contains(o.Kept, v1beta1.PruneAnnotation) {
				t.Errorf("%+v", o)
			}
		}
	}
}

// Nothing is written or deleted when that would not be what was approved.
func TestApplyKeepsToTheApprovedPlan(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	set := Set{
		Owner: planOwner, Prune: true, Before: inventory, From: "sha256:1", Objects: []Object{configMapOf(t, "one", "y")},
	}
	set.Approved = foresee(t, e, set).Digest
	other := set
	other.Objects = []Object{configMapOf(t, "one", "z")}
	result := e.Apply(t.Context(), planAccess, other)
	if !IsPlanChanged(result.Err) || !strings.Contains(result.Err.Error(), "nothing was changed") {
		t.Fatalf("another build: %v", result.Err)
	}
	if s.value(t, "one") != "x" || !s.has(configMapPath("two")) || result.Inventory != nil {
		t.Error("something was changed that was not approved")
	}

	s.edit("one", "by hand")
	if result = e.Apply(t.Context(), planAccess, set); result.Err != nil {
		t.Fatal(result.Err)
	}
	if s.value(t, "one") != "y" || s.has(configMapPath("two")) {
		t.Errorf("what was approved is not applied: one has %q, %+v", s.value(t, "one"), result)
	}
}

// A repair writes nothing but what was applied: no new object, no other manifest, and it deletes nothing.
func TestARepairWritesWhatWasApplied(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	s.edit("one", "by hand")
	s.edit("two", "by hand")
	for i := range inventory {
		inventory[i].Ownership = "as it was"
	}
	result := e.Apply(t.Context(), planAccess, Set{
		Owner: planOwner, Prune: true, Before: inventory, Repair: true,
		Objects: []Object{configMapOf(t, "one", "x"), configMapOf(t, "two", "y"), configMapOf(t, "three", "x")},
	})
	if result.Err != nil || len(result.Inventory) != 2 {
		t.Fatalf("%+v", result)
	}
	if s.value(t, "one") != "x" || s.value(t, "two") != "by hand" || s.has(configMapPath("three")) {
		t.Errorf("one has %q, two has %q", s.value(t, "one"), s.value(t, "two"))
	}
	if len(result.Kept) != 1 || !strings.Contains(result.Kept[0], "ConfigMap a/two") {
		t.Errorf("left alone: %v", result.Kept)
	}

	result = e.Apply(t.Context(), planAccess, Set{Owner: planOwner, Prune: true, Before: inventory, Repair: true})
	if result.Err != nil || len(result.Inventory) != 2 || !s.has(configMapPath("one")) || !s.has(configMapPath("two")) {
		t.Errorf("a repair without manifests: %+v", result)
	}
}
