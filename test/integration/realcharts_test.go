package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// Charts of other projects, where they are at hand: each is installed from a registry, and podinfo is taken through its
// versions one by one.
func TestRealCharts(t *testing.T) {
	t.Parallel()
	archives := servers.PublishedCharts(t)
	ns := namespace(t)
	versions := map[string][]string{}
	for _, file := range archives {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := loader.LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := world.registry.PushChart(context.Background(), ns, content); err != nil {
			t.Fatal(err)
		}
		versions[loaded.Name()] = append(versions[loaded.Name()], loaded.Metadata.Version)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	for name, published := range versions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hr := release(ns, name, name, published[0], "charts", "")
			for _, version := range published {
				hr.Spec.Chart.Spec.Version = version
				apply(t, hr)
				awaitVersion(t, hr, version)
			}
			if lost := droppedEvents(t, ns, name); len(lost) > 0 {
				t.Errorf("it loses something: %v", lost)
			}
			if len(hr.Status.Inventory.Entries) == 0 {
				t.Error("the inventory is empty")
			}
		})
	}
}

// pushBeacon publishes the sample chart of the project in a repository of the namespace's own.
func pushBeacon(t *testing.T, ns string) {
	t.Helper()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := servers.PackChart(filepath.Join(root, "charts", "beacon"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := world.registry.PushChart(t.Context(), ns, archive); err != nil {
		t.Fatal(err)
	}
}

// The sample chart of the project, with its hooks and its test.
func TestTheSampleChart(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	pushBeacon(t, ns)
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	hr := release(ns, "beacon", "beacon", "*", "charts", `{"hooks":{"enabled":true}}`)
	hr.Spec.Install = &v1beta1.Install{}
	apply(t, hr)
	awaitReady(t, hr)
	if out := mustRun(t, "helm", "test", "beacon", "-n", ns); !strings.Contains(out, "Succeeded") {
		t.Errorf("helm test prints %s", out)
	}
}
