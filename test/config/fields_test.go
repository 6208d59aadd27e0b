package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/api/v1beta1"
)

// specs are our kinds and their specs.
var specs = map[string]reflect.Type{
	v1beta1.BucketKind:         reflect.TypeFor[v1beta1.BucketSpec](),
	v1beta1.GitRepositoryKind:  reflect.TypeFor[v1beta1.GitRepositorySpec](),
	v1beta1.HelmChartKind:      reflect.TypeFor[v1beta1.HelmChartSpec](),
	v1beta1.HelmReleaseKind:    reflect.TypeFor[v1beta1.HelmReleaseSpec](),
	v1beta1.HelmRepositoryKind: reflect.TypeFor[v1beta1.HelmRepositorySpec](),
	v1beta1.KustomizationKind:  reflect.TypeFor[v1beta1.KustomizationSpec](),
	v1beta1.OCIRepositoryKind:  reflect.TypeFor[v1beta1.OCIRepositorySpec](),
}

// fields returns the paths of all leaves of a spec, sorted: "valuesFrom[].name".
func fields(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[metav1.Duration](), t == reflect.TypeFor[runtime.RawExtension]():
		return []string{prefix}
	case t.Kind() == reflect.Slice:
		return fields(t.Elem(), prefix+"[]")
	case t.Kind() != reflect.Struct:
		return []string{prefix}
	}
	var found []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if prefix != "" {
			name = prefix + "." + name
		}
		found = append(found, fields(t.Field(i).Type, name)...)
	}
	slices.Sort(found)
	return found
}

// sections cuts a page at its headings of the second level.
func sections(page string) map[string]string {
	found := map[string]string{}
	for _, part := range strings.Split(page, "\n## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		found[title] = body
	}
	return found
}

// What the page calls supported is exactly what the types have.
func TestFluxFields(t *testing.T) {
	parts := sections(read(t, "docs", "flux-compatibility.md"))
	for kind, spec := range specs {
		t.Run(kind, func(t *testing.T) {
			var supported []string
			seen := map[string]bool{}
			for _, row := range cells(parts[kind])[2:] {
				if len(row) != 3 || !slices.Contains([]string{"supported", "later", "dropped"}, row[1]) {
					t.Errorf("row %q has no state", row)
					continue
				}
				if row[1] == "dropped" && row[2] == "" {
					t.Errorf("%s is dropped without a reason", row[0])
				}
				for _, field := range terms(row[0]) {
					if seen[field] {
						t.Errorf("%s is there twice", field)
					}
					seen[field] = true
					if row[1] == "supported" {
						supported = append(supported, field)
					}
				}
			}
			slices.Sort(supported)
			if diff := cmp.Diff(fields(spec, ""), supported); diff != "" {
				t.Errorf("supported fields (-types +docs):\n%s", diff)
			}
		})
	}
}

// Every field is explained on the page of its kind.
func TestEveryFieldIsExplained(t *testing.T) {
	for kind, spec := range specs {
		page, more := strings.ToLower(kind)+".md", []string{"sources.md", "signatures.md"} // what all of them have
		switch kind {
		case v1beta1.HelmReleaseKind:
			page = "releases.md"
		case v1beta1.KustomizationKind:
			page, more = "gitops.md", nil
		}
		var explained []string
		for _, page := range append(more, page) {
			for _, term := range terms(read(t, "docs", page)) {
				explained = append(explained, strings.Split(term, ":")[0])
			}
		}
		for _, field := range fields(spec, "") {
			if !slices.Contains(explained, field) {
				t.Errorf("docs/%s does not explain %s of %s", page, field, kind)
			}
		}
	}
}
