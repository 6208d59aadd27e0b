package drift

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/build"
)

func ignore(t testing.TB, of *unstructured.Unstructured, managers []string, paths ...string) Ignored {
	t.Helper()
	rules, err := Compile([]v1beta1.DriftIgnoreRule{{Paths: paths, Managers: managers}})
	if err != nil {
		t.Fatal(err)
	}
	return rules.Of(of)
}

func TestCompile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		rule  v1beta1.DriftIgnoreRule
		wants string
	}{
		{name: "neither paths nor managers", wants: "needs paths or managers"},
		{
			name: "no pointer", rule: v1beta1.DriftIgnoreRule{Paths: []string{"/a", "spec.replicas"}},
			wants: `path "spec.replicas" is no JSON pointer`,
		},
		{
			name: "a bare tilde", rule: v1beta1.DriftIgnoreRule{Paths: []string{"/a~b"}},
			wants: `path "/a~b" is no JSON pointer`,
		},
		{name: "a tilde at the end", rule: v1beta1.DriftIgnoreRule{Paths: []string{"/a~1~"}}, wants: "no JSON pointer"},
		{name: "an empty manager", rule: v1beta1.DriftIgnoreRule{Managers: []string{""}}, wants: "manager has no name"},
		{
			name: "an expression", rule: v1beta1.DriftIgnoreRule{Managers: []string{"a"}, Target: &v1beta1.Selector{Kind: "("}},
			wants: `target.kind "("`,
		},
		{name: "a long expression",
			rule:  v1beta1.DriftIgnoreRule{Managers: []string{"a"}, Target: &v1beta1.Selector{Name: strings.Repeat("a", 2000)}},
			wants: "target.name is longer"},
		{
			name:  "a selector",
			rule:  v1beta1.DriftIgnoreRule{Managers: []string{"a"}, Target: &v1beta1.Selector{LabelSelector: "a in"}},
			wants: "target.labelSelector",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Compile([]v1beta1.DriftIgnoreRule{{Managers: []string{"fine"}}, tt.rule})
			if err == nil || !strings.Contains(err.Error(), tt.wants) || !strings.Contains(err.Error(), "rule 1") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if rules, err := Compile(nil); rules != nil || err != nil || !rules.Of(build.Object(t, widget)).Empty() {
		t.Error("no rules ignore something")
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	deployment := build.Object(t,
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, labels: {app: web}, annotations: {a: b}}\n")
	tests := []struct {
		name   string
		target *v1beta1.Selector
		is     bool
	}{
		{name: "none", is: true},
		{name: "empty", target: &v1beta1.Selector{}, is: true},
		{name: "everything", is: true, target: &v1beta1.Selector{
			Group: "apps", Version: "v1", Kind: "Deployment", Name: "web", Namespace: "shop", LabelSelector: "app in (web)",
			AnnotationSelector: "a=b"}},
		{name: "an expression", target: &v1beta1.Selector{Kind: "Deployment|StatefulSet", Name: "w.*"}, is: true},
		{name: "a part of a name", target: &v1beta1.Selector{Name: "we"}},
		{name: "alternatives are anchored together", target: &v1beta1.Selector{Name: "w|eb"}},
		{name: "another namespace", target: &v1beta1.Selector{Namespace: "other"}},
		{name: "other labels", target: &v1beta1.Selector{LabelSelector: "app=other"}},
		{name: "other annotations", target: &v1beta1.Selector{AnnotationSelector: "!a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rules, err := Compile([]v1beta1.DriftIgnoreRule{{Paths: []string{""}, Target: tt.target}})
			if err != nil {
				t.Fatal(err)
			}
			if got := rules.Of(deployment).Whole; got != tt.is {
				t.Errorf("matches is %v", got)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	t.Parallel()
	const annotated = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, annotations: {a/b: '1', 'c~d': '2', meta.helm.sh/release-name: r}}\n"
	tests := []struct {
		name     string
		paths    []string
		managers []string
		payload  string
		live     *unstructured.Unstructured
		want     string
	}{
		{
			name: "a field that somebody else has taken", paths: []string{"/spec/size"},
			payload: widget + "spec: {size: 1, color: red}\n",
			live: managed(t, widget+"spec: {size: 2, color: red}\n", "helm Apply {'f:spec': {'f:color': {}}}",
				"x Update {'f:spec': {'f:size': {}}}"),
			want: widget + "spec: {color: red}\n",
		},
		{
			name: "with it the parent that would be empty", paths: []string{"/spec/deep/size"},
			payload: widget + "spec: {deep: {size: 1}, empty: {}}\n",
			live: managed(t, widget+"spec: {deep: {size: 2}, empty: {}}\n", "helm Apply {'f:spec': {'f:empty': {}}}",
				"x Update {'f:spec': {'f:deep': {'f:size': {}}}}"),
			want: widget + "spec: {empty: {}}\n",
		},
		{
			name: "a field that we own alone gets the value it has", paths: []string{"/spec/size"},
			payload: widget + "spec: {size: 1}\n",
			live:    managed(t, widget+"spec: {size: 2}\n", "helm Apply {'f:spec': {'f:size': {}}}"),
			want:    widget + "spec: {size: 2}\n",
		},
		{
			name: "a field that another owns with us is left to it", paths: []string{"/spec/size"},
			payload: widget + "spec: {size: 1, a: 1}\n",
			live: managed(t, widget+"spec: {size: 1, a: 1}\n", "helm Apply {'f:spec': {'f:size': {}, 'f:a': {}}}",
				"x Apply {'f:spec': {'f:size': {}}}"),
			want: widget + "spec: {a: 1}\n",
		},
		{
			name: "a field that was removed", paths: []string{"/spec/size"}, payload: widget + "spec: {size: 1, a: 1}\n",
			live: managed(t, widget+"spec: {a: 1}\n", "helm Apply {'f:spec': {'f:a': {}}}"),
			want: widget + "spec: {a: 1}\n",
		},
		{
			name: "escapes", paths: []string{"/metadata/annotations/a~1b", "/metadata/annotations/c~0d"}, payload: annotated,
			live: build.Object(t, widget),
			want: "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, annotations: {meta.helm.sh/release-name: r}}\n",
		},
		{
			name: "what the object is stays", paths: []string{"/metadata", "/kind", "/apiVersion"}, payload: annotated,
			live: build.Object(t, widget),
			want: "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, annotations: {meta.helm.sh/release-name: r}}\n",
		},
		{
			name: "an item of a list, by its place in the manifest", paths: []string{"/spec/items/1/size"},
			payload: widget + bothItems,
			live: managed(t, widget+"spec: {items: [{name: w, size: 7}, {name: x, size: 1}]}\n",
				"helm Apply {'f:spec': {'f:items': {'k:{\"name\":\"x\"}': {'.': {}, 'f:name': {}, 'f:size': {}}, 'k:{\"name\":\"w\"}': {'.': {}, 'f:name': {}}}}}",
				"z Update {'f:spec': {'f:items': {'k:{\"name\":\"w\"}': {'f:size': {}}}}}"),
			want: widget + "spec: {items: [{name: x, size: 1}, {name: w}]}\n",
		},
		{
			name: "an item that is gone as a whole", paths: []string{"/spec/items/0"}, payload: widget + bothItems,
			live: managed(t, widget+"spec: {items: [{name: w, size: 2}]}\n",
				"helm Apply {'f:spec': {'f:items': {'k:{\"name\":\"w\"}': {'.': {}, 'f:name': {}, 'f:size': {}}}}}"),
			want: widget + "spec: {items: [{name: w, size: 2}]}\n",
		},
		{
			name:    "a place in a list that is owned as a whole",
			paths:   []string{"/spec/routes/1/weight", "/spec/routes/5/weight", "/spec/routes/0/gone/x"},
			payload: widget + "spec: {routes: [{weight: 100, gone: {x: 1, z: 2}}, {weight: 0}]}\n",
			live: managed(t, widget+"spec: {routes: [{weight: 80}, {weight: 20}]}\n",
				"flagger Update {'f:spec': {'f:routes': {}}}"),
			want: widget + "spec: {routes: [{weight: 100, gone: {z: 2}}, {weight: 20}]}\n",
		},
		{
			name: "fields of a manager", managers: []string{"z"}, payload: widget + bothItems,
			live: managed(t, widget+bothItems,
				"helm Apply {'f:spec': {'f:items': {'k:{\"name\":\"x\"}': {'.': {}, 'f:name': {}, 'f:size': {}}}}}",
				"z Update {'f:spec': {'f:items': {'k:{\"name\":\"w\"}': {'.': {}, 'f:name': {}, 'f:size': {}}, 'k:{\"name\":\"x\"}': {'f:name': {}}}}}"),
			want: widget + "spec: {items: [{name: x, size: 1}]}\n",
		},
		{
			name: "an object without owners", paths: []string{"/spec/size"}, payload: widget + "spec: {size: 1, a: 1}\n",
			live: build.Object(t, widget+"spec: {size: 2, a: 1}\n"), want: widget + "spec: {size: 2, a: 1}\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			payload := build.Object(t, tt.payload)
			before := payload.DeepCopy()
			got := ignore(t, payload, tt.managers, tt.paths...).Trim(payload.Object, tt.live)
			if diff := cmp.Diff(build.Object(t, tt.want).Object, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, payload); diff != "" {
				t.Errorf("the payload was changed: %s", diff)
			}
		})
	}
}

func TestAutoscaled(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"kube-controller-manager Update/scale {'f:spec': {'f:replicas': {}}}":   true,
		"kube-controller-manager Update {'f:spec': {'f:replicas': {}}}":         false,
		"kubectl Update/scale {'f:spec': {'f:replicas': {}}}":                   false,
		"kube-controller-manager Update/status {'f:status': {'f:ready': {}}}":   false,
		"kube-controller-manager Update/scale {'f:status': {'f:replicas': {}}}": false,
	} {
		if got := Autoscaled(managed(t, widget, text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for value, want := range map[string]bool{"ignore": true, "": false, "true": false} {
		annotated := build.Object(t, widget)
		annotated.SetAnnotations(map[string]string{v1beta1.DriftIgnoreAnnotation: value})
		if got := Exempt(annotated); got != want {
			t.Errorf("%q: %v", value, got)
		}
	}
}
