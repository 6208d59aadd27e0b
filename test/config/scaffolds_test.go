package config

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// TestScaffoldsAreValid checks what "fairlead create --export" prints, as its golden files have it, as the API server
// would: unknown fields, the schema, the rules.
func TestScaffoldsAreValid(t *testing.T) {
	known := schemas(t)
	printed := map[string]int{}
	for _, file := range glob(t, "cmd", "fairlead", "testdata", "create-*.golden") {
		name := filepath.Base(file)
		_, rest, found := strings.Cut(read(t, file[len(root)+1:]), "--- stdout\n---\n")
		document, _, ended := strings.Cut(rest, "--- stderr\n")
		if !found || !ended {
			t.Errorf("%s has no manifest", name)
			continue
		}
		kind := kindOf(t, document)
		printed[kind]++
		if kind == "Secret" {
			if err := yaml.UnmarshalStrict([]byte(document), &corev1.Secret{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		for _, wrong := range checkOwn(t, known, document) {
			t.Errorf("%s: %s", name, wrong)
		}
	}
	for _, kind := range []string{
		"GitRepository", "HelmRepository", "OCIRepository", "Bucket", "HelmRelease", "Kustomization", "Secret",
	} {
		if printed[kind] == 0 {
			t.Errorf("no golden file has a %s", kind)
		}
	}
}
