package config

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestSamplesAreAccepted(t *testing.T) {
	known, s := schemas(t), scheme(t)
	seen := map[string]bool{}
	files := append(glob(t, "config", "samples", "*.yaml"), glob(t, "config", "samples", "promotion", "*.yaml")...)
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			stream := read(t, file[len(root)+1:])
			objects(t, s, stream)
			for _, document := range documents(t, stream) {
				for _, wrong := range checkOwn(t, known, document) {
					t.Errorf("%s in:\n%s", wrong, document)
				}
				seen[kindOf(t, document)] = true
			}
		})
	}
	for kind := range known {
		if !seen[kind] && kind != "ReleasePlan" && kind != "ExternalArtifact" { // users write none
			t.Errorf("there is no sample of a %s", kind)
		}
	}
	if got := len(documents(t, kustomize(t, "config", "samples"))); got < 15 {
		t.Errorf("config/samples builds %d objects; a sample is missing in its kustomization.yaml", got)
	}
}

// The samples show all that a release can say about its chart and its values.
func TestSamplesCoverReleases(t *testing.T) {
	var got []string
	for _, object := range objects(t, scheme(t), kustomize(t, "config", "samples")) {
		hr, ok := object.(*v1beta1.HelmRelease)
		if !ok {
			continue
		}
		switch {
		case hr.Spec.ChartRef != nil:
			got = append(got, "chartRef")
		default:
			got = append(got, hr.Spec.Chart.Spec.SourceRef.Kind)
		}
		for feature, used := range map[string]bool{
			"values": hr.Spec.Values != nil, "valuesFrom": len(hr.Spec.ValuesFrom) > 0, "suspend": hr.Spec.Suspend,
			"dependsOn": len(hr.Spec.DependsOn) > 0,
		} {
			if used {
				got = append(got, feature)
			}
		}
	}
	slices.Sort(got)
	want := []string{"GitRepository", "HelmRepository", "chartRef", "dependsOn", "suspend", "values", "valuesFrom"}
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("what the samples of HelmRelease show (-want +got):\n%s", diff)
	}
}

// checkOwn checks a document of one of our kinds; others pass.
func checkOwn(t *testing.T, known map[string]kindSchema, document string) []string {
	t.Helper()
	if !strings.Contains(document, "apiVersion: fairlead.dev/") {
		return nil
	}
	kind, ok := known[kindOf(t, document)]
	if !ok {
		return []string{"no such kind, there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")}
	}
	return kind.check(t, document)
}

func kindOf(t *testing.T, document string) string {
	t.Helper()
	meta := runtime.TypeMeta{}
	if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
		t.Fatal(err)
	}
	return meta.Kind
}

// The check itself has to fail when something is wrong.
func TestTheSchemaCheckRefuses(t *testing.T) {
	const head = "apiVersion: fairlead.dev/v1beta1\n"
	tests := []struct{ name, document, want string }{
		{"an unknown field", "kind: GitRepository\nspec: {url: https://example.com/x, provide: github}", "spec.provide"},
		{"a missing field", "kind: HelmRepository\nspec: {}", "spec.url"},
		{"a pattern", "kind: GitRepository\nspec: {url: ftp://example.com/x}", "spec.url"},
		{"a rule over two fields", "kind: HelmRepository\nspec: {url: oci://example.com/x}", "spec.type must be 'oci'"},
		{"two charts",
			"kind: HelmRelease\nspec: {chartRef: {kind: HelmChart, name: x}, chart: {spec: {chart: x, sourceRef: {kind: HelmRepository, name: x}}}}",
			"exactly one of spec.chart and spec.chartRef"},
		{"a release name", "kind: HelmRelease\nspec: {chartRef: {kind: HelmChart, name: x}, releaseName: Bad_Name}",
			"a release name has lower-case letters, digits, '-' and '.', and begins and ends with a letter or a digit"},
		{"a release name that ends in a dot",
			"kind: HelmRelease\nspec: {chartRef: {kind: HelmChart, name: x}, releaseName: web.}",
			"a release name has lower-case letters"},
	}
	known := schemas(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(checkOwn(t, known, head+tt.document), "; ")
			if !strings.Contains(got, tt.want) {
				t.Errorf("errors %q, want one with %q", got, tt.want)
			}
		})
	}
}
