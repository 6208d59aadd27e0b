package config

import (
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// rendered is what a chart's templates give, by file.
type rendered map[string]string

// all joins the manifests, NOTES.txt left out.
func (r rendered) all() string {
	var files []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if path.Ext(name) == ".yaml" {
			files = append(files, r[name])
		}
	}
	return strings.Join(files, "\n---\n")
}

func (r rendered) file(t *testing.T, name string) string {
	t.Helper()
	for full, content := range r {
		if strings.HasSuffix(full, "/templates/"+name) {
			return content
		}
	}
	t.Fatalf("there is no template %s", name)
	return ""
}

func load(t *testing.T, name string) *chart.Chart {
	t.Helper()
	loaded, err := loader.LoadDir(filepath.Join(root, "charts", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(); err != nil {
		t.Fatal(err)
	}
	return loaded
}

// tryRender renders a chart for a recent cluster.
func tryRender(t *testing.T, name, release, namespace, values string) (rendered, error) {
	t.Helper()
	return tryRenderFor(t, "v1.37.0", name, release, namespace, values)
}

func tryRenderFor(t *testing.T, version, name, release, namespace, values string) (rendered, error) {
	t.Helper()
	loaded := load(t, name)
	parsed, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	cluster := chartutil.DefaultCapabilities.Copy()
	cluster.KubeVersion = chartutil.KubeVersion{Version: version, Major: "1", Minor: strings.Split(version, ".")[1]}
	combined, err := chartutil.ToRenderValues(loaded, parsed, options, cluster)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, combined)
}

func render(t *testing.T, name, release, namespace, values string) rendered {
	t.Helper()
	files, err := tryRender(t, name, release, namespace, values)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// refuses checks that values are refused, by the schema, with a text that helps.
func refuses(t *testing.T, name string, tests map[string]string) {
	t.Helper()
	for values, want := range tests {
		if _, err := tryRender(t, name, "x", "y", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", values, err, want)
		}
	}
}
