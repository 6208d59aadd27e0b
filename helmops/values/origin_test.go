package values

import (
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	layers := []Layer{
		{Origin: "Secret apps/single, key port,", Data: []byte("many"), TargetPath: "service.port"},
		{Origin: "ConfigMap apps/base, key values.yaml,", Data: []byte("replicas: 1\nservice: {port: 80, name: web}\nhosts: [{name: a}]\n")},
		{Origin: "Secret apps/broken, key values.yaml,", Data: []byte("- a list")},
		{Origin: "spec.values", Data: []byte(`{"replicas":"two"}`)},
	}
	tests := map[string]string{
		"replicas":        "spec.values",
		"service.name":    "ConfigMap apps/base, key values.yaml",
		"service.port":    "Secret apps/single, key port",
		"hosts.0.name":    "ConfigMap apps/base, key values.yaml",
		"hosts.1.name":    "",
		"hosts.x.name":    "",
		"replicas.below":  "",
		"image.tag":       "",
		"service.absent":  "",
		"service.port.no": "",
	}
	for path, want := range tests {
		if got := Origin(layers, strings.Split(path, ".")); got != want {
			t.Errorf("%s is from %q, want %q", path, got, want)
		}
	}
}
