package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestEventsOfARelease lists what the controller has reported about a release, and nothing about other objects.
func TestEventsOfARelease(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	until(t, "the event is there", func() bool {
		return strings.Contains(mustRun(t, "fairlead", "events", "release", "web", "-n", ns), "InstallSucceeded")
	})
	var read struct {
		Items []struct {
			Object struct{ Kind, Name string }
		}
	}
	out := mustRun(t, "fairlead", "events", "releases", "-n", ns, "-o", "json")
	if err := json.Unmarshal([]byte(out), &read); err != nil || len(read.Items) == 0 {
		t.Fatalf("error %v, it prints\n%s", err, out)
	}
	for _, item := range read.Items {
		if item.Object.Kind != "HelmRelease" || item.Object.Name != "web" {
			t.Errorf("an event about %s %s", item.Object.Kind, item.Object.Name)
		}
	}
	actions := mustRun(t, "kubectl", "get", "events.events.k8s.io", "-n", ns, "-o",
		`jsonpath={range .items[?(@.reason=="InstallSucceeded")]}{.action}{"\n"}{end}`)
	if !strings.HasPrefix(actions, "Install\n") {
		t.Errorf("the event of an install has the action %q", actions)
	}
	if out, errs, code := command(t, "fairlead", "events", "release", "absent", "-n", ns); code != 2 || out != "" {
		t.Errorf("of a release that does not exist: exit code %d\n%s%s", code, out, errs)
	}
}
