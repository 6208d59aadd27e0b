package view

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
)

func fieldsOf(o ObjectDifference) []string {
	out := []string{}
	for _, f := range o.Fields {
		out = append(out, f.Path)
	}
	return out
}

// Of all that a revision changed, what failed is named, and the field first that the failure is about.
func TestSuspects(t *testing.T) {
	t.Parallel()
	image := FieldDifference{
		Path: `.spec.template.spec.containers[name="web"].image`, Change: "changed", From: "shop:1", To: "shop:2-beta",
	}
	replicas := FieldDifference{Path: ".spec.replicas", Change: "changed", From: "1", To: "2"}
	many := []FieldDifference{}
	for _, name := range strings.Split("abcdefg", "") {
		many = append(many, FieldDifference{Path: ".spec." + name, Change: "added", To: "hunter2"})
	}
	deployment := func(fields ...FieldDifference) []ObjectDifference {
		return []ObjectDifference{
			{Kind: "ConfigMap", Name: "shop", Change: "changed", Fields: []FieldDifference{replicas}},
			{Kind: "Deployment", Group: "apps", Name: "shop", Change: "changed", Fields: fields},
		}
	}
	health := []v1beta1.ObjectHealth{{Kind: "Deployment", Group: "apps", Namespace: "web", Name: "shop"}}
	for name, tt := range map[string]struct {
		failure v1beta1.LastFailure
		changes []ObjectDifference
		want    []string
		more    int
	}{
		"an object that is not healthy": {
			v1beta1.LastFailure{Objects: health}, deployment(replicas, image), []string{replicas.Path, image.Path}, 0,
		},
		"a field that the API server names": {
			v1beta1.LastFailure{Message: "Deployment web/shop: spec.template.spec.containers[0].image: Invalid value"},
			deployment(replicas, image), []string{image.Path, replicas.Path}, 0,
		},
		"an image that a pod cannot pull": {
			v1beta1.LastFailure{Message: `Deployment/shop: container web: ImagePullBackOff, "shop:2-beta" not found`},
			deployment(replicas, image), []string{image.Path, replicas.Path}, 0,
		},
		"more fields than are named": {
			v1beta1.LastFailure{Objects: health}, deployment(many...),
			[]string{".spec.a", ".spec.b", ".spec.c", ".spec.d", ".spec.e"}, 2,
		},
		"another object": {
			v1beta1.LastFailure{Message: "Deployment web/shop-admin: Available: 0/1"}, deployment(image), nil, 0,
		},
		"another kind of the name": {
			v1beta1.LastFailure{Message: "StatefulSet web/shop: Available: 0/1"}, deployment(image), nil, 0,
		},
	} {
		e := Explanation{Introduced: &Introduced{}, LastFailure: &tt.failure}
		var got []string
		more := 0
		for _, o := range e.WithSuspects(tt.changes, "web") {
			got = append(got, fieldsOf(*o)...)
			more += o.More
			for _, f := range o.Fields {
				if f.From+f.To != "" {
					t.Errorf("%s: it keeps the value of %s", name, f.Path)
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || more != tt.more {
			t.Errorf("%s: %d more (-want +got):\n%s", name, more, diff)
		}
	}
	if image.To == "" {
		t.Error("the differences that were given are changed")
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	content := func(revision int, version string, tag any) *engine.Content {
		return &engine.Content{
			Revision: revision, ChartName: "shop", ChartVersion: version,
			Values: map[string]any{"image": map[string]any{"tag": tag}, "other": revision},
		}
	}
	contents := []*engine.Content{
		content(41, "1", "a"), content(42, "2", "b"), content(43, "2", "a"), content(44, "2", "a"),
	}
	for path, want := range map[string]int{"": 42, "image.tag": 43, "other": 44, "none": 41} {
		if got := Since(path, contents); got != want {
			t.Errorf("%q is as it is since %d, want %d", path, got, want)
		}
	}
}

func TestCommandsThatHelp(t *testing.T) {
	t.Parallel()
	const values, declared = "ddaeec833238725f4a7c6c67e0f7cf00fe244c7c", "4f3c9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b"
	from := func(origin string) []ObjectDifference {
		cause := &Cause{Changes: []CauseChange{{Kind: CauseValue, Path: "a", Origin: origin}}}
		return []ObjectDifference{{Fields: []FieldDifference{{Path: ".a", Cause: cause}}}}
	}
	by := &Declared{Namespace: "fleet", Name: "apps", Revision: "main@sha1:" + declared}
	for name, tt := range map[string]struct {
		of   Introduced
		want []string
	}{
		"a value of a file": {
			Introduced{Good: 1, Bad: 2, DeclaredBy: by, Objects: from("GitRepository web/c a.yaml at main@sha1:" + values)},
			[]string{"diff", "rollback", values},
		},
		"a value of the declaration": {
			Introduced{Good: 1, Bad: 2, DeclaredBy: by, Objects: from("spec.values")},
			[]string{"diff", "rollback", declared},
		},
		"no declaration":       {Introduced{Good: 1, Bad: 2, Objects: from("spec.values")}, []string{"diff", "rollback"}},
		"no revision was made": {Introduced{Good: 1}, []string{"plan release shop -n web --causes"}},
		"a revision that is no commit": {
			Introduced{Good: 1, DeclaredBy: &Declared{Revision: "sha256:" + values}}, []string{"plan"},
		},
	} {
		e := Explanation{Namespace: "web", Name: "shop", Introduced: &tt.of}
		e.WithCommands()
		matches := slices.EqualFunc(tt.want, e.Commands, func(want, got string) bool {
			return strings.Contains(got, want[:min(len(want), 12)])
		})
		if !matches {
			t.Errorf("%s: %q, want %q", name, e.Commands, tt.want)
		}
	}
}
