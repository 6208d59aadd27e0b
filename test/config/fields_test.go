package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/api/v1beta1"
)

// specs are our kinds and their specs.
var specs = map[string]reflect.Type{
	v1beta1.ArtifactGeneratorKind: reflect.TypeFor[v1beta1.ArtifactGeneratorSpec](),
	v1beta1.ExternalArtifactKind:  reflect.TypeFor[v1beta1.ExternalArtifactSpec](),
	v1beta1.BucketKind:            reflect.TypeFor[v1beta1.BucketSpec](),
	v1beta1.GitRepositoryKind:     reflect.TypeFor[v1beta1.GitRepositorySpec](),
	v1beta1.HelmChartKind:         reflect.TypeFor[v1beta1.HelmChartSpec](),
	v1beta1.HelmReleaseKind:       reflect.TypeFor[v1beta1.HelmReleaseSpec](),
	v1beta1.HelmRepositoryKind:    reflect.TypeFor[v1beta1.HelmRepositorySpec](),
	v1beta1.KustomizationKind:     reflect.TypeFor[v1beta1.KustomizationSpec](),
	v1beta1.OCIRepositoryKind:     reflect.TypeFor[v1beta1.OCIRepositorySpec](),
	v1beta1.ReceiverKind:          reflect.TypeFor[v1beta1.ReceiverSpec](),
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

// Every field is explained on the page of its kind; one that is not used, where the fields of Flux are.
func TestEveryFieldIsExplained(t *testing.T) {
	unused := map[string]bool{}
	for _, row := range fluxFields(t) {
		unused[row.kind+" "+row.path] = row.state == noEffect || row.state == unsupported
	}
	for kind, spec := range specs {
		page, more := strings.ToLower(kind)+".md", []string{"sources.md", "signatures.md"} // what all of them have
		switch kind {
		case v1beta1.HelmReleaseKind:
			page = "releases.md"
		case v1beta1.KustomizationKind:
			page, more = "gitops.md", nil
		case v1beta1.ArtifactGeneratorKind, v1beta1.ExternalArtifactKind:
			page, more = "artifacts.md", nil
		case v1beta1.ReceiverKind:
			page, more = "receivers.md", nil
		}
		var explained []string
		for _, page := range append(more, page) {
			for _, term := range terms(read(t, "docs", page)) {
				explained = append(explained, strings.Split(term, ":")[0])
			}
		}
		for _, field := range fields(spec, "") {
			if !slices.Contains(explained, field) && !unused[kind+" "+strings.TrimSuffix(field, "[]")] {
				t.Errorf("docs/%s does not explain %s of %s", page, field, kind)
			}
		}
	}
}
