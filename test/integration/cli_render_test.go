package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
)

// TestRenderIsWhatTheRevisionHas compares what render and values print with what Helm has of the revision that the
// controller made.
func TestRenderIsWhatTheRevisionHas(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"message":"rendered by the CLI"}`)}
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	var read struct {
		Items []struct {
			Kind     string
			Metadata struct{ Name string }
		}
	}
	out := mustRun(t, "fairlead", "render", "release", "web", "-n", ns, "-o", "json")
	if err := json.Unmarshal([]byte(out), &read); err != nil || len(read.Items) == 0 {
		t.Fatalf("error %v, it prints\n%s", err, out)
	}
	deployed := mustRun(t, "helm", "get", "manifest", "web", "-n", ns)
	if want := strings.Count(deployed, "\nkind: "); len(read.Items) != want {
		t.Errorf("it prints %d objects, the revision has %d:\n%s", len(read.Items), want, deployed)
	}
	for _, o := range read.Items {
		if !strings.Contains(deployed, "kind: "+o.Kind) || !strings.Contains(deployed, "name: "+o.Metadata.Name) {
			t.Errorf("%s %s is not in the revision:\n%s", o.Kind, o.Metadata.Name, deployed)
		}
	}
	if got := mustRun(t, "fairlead", "values", "release", "web", "-n", ns); got != "message: rendered by the CLI\n" {
		t.Errorf("the values are\n%s", got)
	}
}
