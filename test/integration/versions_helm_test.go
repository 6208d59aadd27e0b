package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/discovery"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// Versions of an index are read as Helm reads them, and what was chosen in this way is not upgraded again.
func TestVersionsAreReadAsByHelm(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.1.0", "2.0.0+b", "2.0.0+a", "3.9.0+1")
	addChart(t, charts, "1.8", map[string]string{"Chart.yaml": "apiVersion: v2\nname: sample\nversion: \"1.8\"\n"})
	charts.Change("sample", "1.1.0", func(entry map[string]any) { entry["version"] = "v1.1.0" })
	charts.Change("sample", "2.0.0+a", func(entry map[string]any) { entry["created"] = "2025-01-01T00:00:00Z" })
	charts.Change("sample", "3.9.0+1", func(entry map[string]any) { entry["version"] = "3.9.0_1" })
	apply(t, helmRepository(ns, "charts", charts.URL()))

	for name, want := range map[string]struct{ version, runs string }{
		"pinned": {"1.1.0", "1.1.0"},
		"with-v": {"v1.1.0", "1.1.0"},
		"range":  {"<1.2", "1.1.0"},
		"build":  {"2.0.0", "2.0.0+a"},
		"exact":  {"2.0.0+b", "2.0.0+b"},
		"newest": {"*", "2.0.0+a"},
		"text":   {"1.8", "1.8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hr := release(ns, name, "sample", want.version, "charts", "")
			apply(t, hr)
			awaitReady(t, hr)
			asked(t, hr, "again")
			if got := get(t, hr).Status.Latest(); !v1beta1.SameVersion(got.ChartVersion, want.runs) {
				t.Errorf("%s runs %s, want %s", want.version, got.ChartVersion, want.runs)
			}
			wantRevisions(t, hr, "1:deployed")
		})
	}
}

// The helm command that is built for tests renders, without asking a cluster, for the version of Kubernetes that the
// cluster has.
func TestHelmTemplatesForTheVersionOfTheCluster(t *testing.T) {
	t.Parallel()
	chart := t.TempDir()
	for name, content := range map[string]string{
		"Chart.yaml":          "apiVersion: v2\nname: recent\nversion: 1.0.0\nkubeVersion: '>=1.30.0-0'\n",
		"templates/note.yaml": "version: {{ .Capabilities.KubeVersion.Major }}.{{ .Capabilities.KubeVersion.Minor }}\n",
	} {
		path := filepath.Join(chart, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client, err := discovery.NewDiscoveryClientForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	server, err := client.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	want := "version: " + server.Major + "." + server.Minor + "\n"
	if got := mustRun(t, "helm", "template", "recent", chart); !strings.Contains(got, want) {
		t.Errorf("helm renders\n%s\nwithout %q", got, want)
	}
}
