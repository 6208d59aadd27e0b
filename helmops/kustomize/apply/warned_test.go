package apply

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/test/build"
)

// Warnings are those of the object that the API server answers about, are reported once for each revision, and cost no
// request: an unchanged object is not sent again.
func TestWarnings(t *testing.T) {
	t.Parallel()
	server := newAPIServer(t)
	server.warn = func(path string) string {
		if strings.HasSuffix(path, "/plain") {
			return ""
		}
		return "about " + path[strings.LastIndex(path, "/")+1:]
	}
	e := server.engine(t)
	set := Set{Owner: types.NamespacedName{Namespace: "apps", Name: "web"}}
	for _, text := range []string{
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: plain}}",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
		"{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {a: one}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: s}}",
	} {
		set.Objects = append(set.Objects, Object{Unstructured: build.Object(t, text)})
	}
	const a, b = "ConfigMap apps/a: about a", "ConfigMap apps/b: about b"
	const s = "Secret apps/s: the text is left out, because it may quote the Secret"
	for _, step := range []struct {
		name, revision string
		change         func()
		writes         int
		want           []string
	}{
		{"a new set", "1", func() {}, 4, []string{a, b, s}},
		{"the same again", "1", func() {}, 0, nil},
		{"a new revision of one", "2", func() {
			const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {a: two}}"
			set.Objects[2] = Object{Unstructured: build.Object(t, text)}
		}, 1, []string{a, b, s}},
		{"a new revision of nothing", "3", func() {}, 0, []string{a, b, s}},
		{"one leaves", "4", func() { set.Objects = set.Objects[:3] }, 0, []string{a, b}},
	} {
		step.change()
		set.Revision = step.revision
		before := server.patches()
		result := e.Apply(t.Context(), cluster.Access{Namespace: "apps"}, set)
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		if result.Inventory != nil {
			set.Before = result.Inventory
		}
		var got []string
		for _, warned := range result.Warned {
			got = append(got, warned.String())
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: warned of %q, want %q", step.name, got, step.want)
		}
		if made := server.patches() - before; made != 2*step.writes { // with their trials
			t.Errorf("%s: %d patches, want %d", step.name, made, 2*step.writes)
		}
	}
	e.Forget(set.Owner)
	if got := e.Apply(t.Context(), cluster.Access{Namespace: "apps"}, set).Warned; got != nil {
		t.Errorf("of a Kustomization that was forgotten is known %v", got)
	}
}
