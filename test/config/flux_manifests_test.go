package config

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// fluxVersion is the group and version of a kind of Flux.
var fluxVersion = regexp.MustCompile(`\w+\.(toolkit|extensions)\.fluxcd\.io/v\w+`)

// Manifests of Flux that use every field are accepted, with no unknown field, once their apiVersion is replaced.
func TestFluxManifestsAreAccepted(t *testing.T) {
	known := schemas(t)
	used := map[string]bool{}
	for _, file := range glob(t, "test", "config", "testdata", "flux", "*.yaml") {
		stream := fluxVersion.ReplaceAllString(read(t, file[len(root)+1:]), "fairlead.dev/v1beta1")
		for _, document := range documents(t, stream) {
			kind := kindOf(t, document)
			for _, wrong := range checkOwn(t, known, document) {
				t.Errorf("%s: %s: %s", filepath.Base(file), kind, wrong)
			}
			object := map[string]any{}
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				t.Fatal(err)
			}
			markUsed(used, kind+" ", object["spec"])
		}
	}
	for _, row := range fluxFields(t) {
		if !used[row.kind+" "+row.path] {
			t.Errorf("no manifest of testdata/flux has %s of %s", row.path, row.kind)
		}
	}
}

// markUsed notes the paths of all fields below a value.
func markUsed(used map[string]bool, path string, value any) {
	used[path] = true
	if !strings.HasSuffix(path, " ") && value != nil {
		path += "."
	}
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			markUsed(used, path+name, field)
		}
	case []any:
		for _, item := range value {
			markUsed(used, strings.TrimSuffix(path, ".")+"[]", item)
		}
	}
}
