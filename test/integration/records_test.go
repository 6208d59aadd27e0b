package integration

import (
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	helm "helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	"k8s.io/client-go/kubernetes"

	storage "fairlead.dev/fairlead/helmops/engine/storage"
)

// The helm command reads records of several gzip members, as the store writes them.
func TestTheHelmCommandReadsOurRecords(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	clients, err := kubernetes.NewForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	reader := storage.Reader{Secrets: clients.CoreV1().Secrets(ns), As: "test"}
	driver := storage.NewStore(nil, time.Now).Driver(t.Context(), reader,
		storage.Key{StorageNamespace: ns, Name: "web", Namespace: ns},
		storage.Note{ChartDigest: "sha256:1", RenderDigest: "r"})
	for name, rel := range map[string]*helm.Release{
		"sh.helm.release.v1.web.v1": storedRelease(ns, 1, helm.StatusSuperseded),
		"sh.helm.release.v1.web.v2": storedRelease(ns, 2, helm.StatusDeployed),
	} {
		if err := driver.Create(name, rel); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{args: []string{"history", "web"}, want: []string{"superseded", "deployed", "web-1.0.0", "as told"}},
		{
			args: []string{"get", "all", "web"},
			want: []string{"kind: ConfigMap", "name: migrate", "replicas: 2", "list:", "open the door"},
		},
		{args: []string{"list"}, want: []string{"web", "9.9"}},
	} {
		out := mustRun(t, "helm", append(tt.args, "--namespace", ns)...)
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("helm %s lacks %q:\n%s", strings.Join(tt.args, " "), want, out)
			}
		}
	}
}

// storedRelease is a release with something of everything that a record holds.
func storedRelease(ns string, version int, status helm.Status) *helm.Release {
	at := helmtime.Now()
	return &helm.Release{
		Name: "web", Namespace: ns, Version: version, Manifest: "kind: ConfigMap\n",
		Labels: map[string]string{"team": "shop"},
		Config: map[string]any{"replicas": float64(2)},
		Info: &helm.Info{
			Status: status, Description: "as told", Notes: "open the door", FirstDeployed: at, LastDeployed: at,
		},
		Hooks: []*helm.Hook{{
			Name: "migrate", Kind: "Job", Path: "templates/hook.yaml", Events: []helm.HookEvent{helm.HookPreInstall},
			Manifest: "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n",
		}},
		Chart: &chart.Chart{
			Metadata:  &chart.Metadata{Name: "web", Version: "1.0.0", AppVersion: "9.9", APIVersion: "v2"},
			Templates: []*chart.File{{Name: "templates/a.yaml", Data: []byte(strings.Repeat("kind: ConfigMap # <&>\n", 50))}},
			Files:     []*chart.File{{Name: "README.md", Data: []byte(strings.Repeat("read me ", 100))}},
			Values:    map[string]any{"replicas": float64(1), "deep": map[string]any{"list": []any{"a", true, nil}}},
			Schema:    []byte(`{"type":"object"}`),
		},
	}
}
