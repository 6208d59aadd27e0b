package values

import (
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	t.Parallel()
	layers := []Layer{
		{Origin: "Secret apps/single, key port,", Data: []byte("many"), TargetPath: "service.port"},
		{Origin: "ConfigMap apps/base, key values.yaml,", Data: []byte(
			"replicas: 1\nservice: {port: 80, name: web}\nhosts: [{name: a}]\nports: [1]\n")},
		{Origin: "Secret apps/item, key port,", Data: []byte("2"), TargetPath: "ports[1]", Secret: true},
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
		"ports.0":         "ConfigMap apps/base, key values.yaml",
		"ports.1":         "Secret apps/item, key port",
	}
	for path, want := range tests {
		if got := Origin(layers, strings.Split(path, ".")); got != want {
			t.Errorf("%s is from %q, want %q", path, got, want)
		}
	}
}

func TestOriginsKnowWhatIsSecret(t *testing.T) {
	t.Parallel()
	origins := NewOrigins([]Layer{
		{Origin: "Secret apps/a,", Data: []byte("password: 1\nuser: a\n"), Secret: true},
		{Origin: "spec.values", Data: []byte("user: b")},
	})
	for path, want := range map[string]bool{"password": true, "user": false} {
		if layer, found := origins.Of([]string{path}); !found || layer.Secret != want {
			t.Errorf("%s: found %t, secret %t", path, found, layer.Secret)
		}
	}
	if layer, found := origins.Of([]string{"absent"}); found {
		t.Errorf("absent is from %q", layer.Origin)
	}
}

func TestPeelTakesTheStrongestFirst(t *testing.T) {
	t.Parallel()
	layers := []Layer{{Origin: "a", TargetPath: "x"}, {Origin: "b"}, {Origin: "c", TargetPath: "y"}, {Origin: "d"}}
	var got []string
	for _, left := range Peel(layers) {
		names := ""
		for _, layer := range left {
			names += layer.Origin
		}
		got = append(got, names)
	}
	if text := strings.Join(got, ","); text != "abcd,abd,bd,b," {
		t.Errorf("peeled %s", text)
	}
}
