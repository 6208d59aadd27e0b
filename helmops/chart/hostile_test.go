package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// archiveOf packs the metadata of a chart with what depends on it.
func archiveOf(t *testing.T, metadata, requirements, lock, values, dependency []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, file := range []struct {
		name    string
		content []byte
	}{
		{"web/Chart.yaml", metadata}, {"web/requirements.yaml", requirements}, {"web/requirements.lock", lock},
		{"web/values.yaml", values},
		{"web/charts/db/Chart.yaml", dependency}, {"web/templates/a.yaml", []byte("kind: ConfigMap")},
	} {
		if len(file.content) == 0 {
			continue
		}
		if err := archive.WriteHeader(&tar.Header{Name: file.name, Mode: 0o600, Size: int64(len(file.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(file.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A chart can come from any author. Whatever its metadata is, loading it ends with a chart or an error, and using the
// chart does not panic.
func FuzzLoad(f *testing.F) {
	good := []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n")
	f.Add(good, []byte(""), []byte(""), []byte("a: 1"), []byte("name: db\nversion: 1.0.0\n"))
	f.Add([]byte("apiVersion: v1\nname: web\nversion: 1.0.0\n"), []byte("dependencies: [null]"),
		[]byte("dependencies: [{name: db}]"), []byte("null"), []byte(""))
	f.Add([]byte(
		"apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [null, {name: db, import-values: [null]}]\nmaintainers: [null]\n"),
		[]byte(""), []byte(""), []byte("[]"), []byte("{}"))
	f.Add([]byte("null"), []byte("null"), []byte("null"), []byte("null"), []byte("null"))
	f.Fuzz(func(t *testing.T, metadata, requirements, lock, values, dependency []byte) {
		want := v1beta1.ChartRevision{Name: "web", Version: "1.0.0"}
		loaded, err := Load(bytes.NewReader(archiveOf(t, metadata, requirements, lock, values, dependency)), want)
		if err != nil {
			return
		}
		if loaded.Metadata.Name != want.Name || loaded.Metadata.Version != want.Version {
			t.Errorf("loaded %s-%s", loaded.Metadata.Name, loaded.Metadata.Version)
		}
		if _, err := Copy(loaded); err != nil {
			t.Errorf("copying: %v", err)
		}
	})
}

func TestAChartWhoseLoadingPanicsIsAnErrorEachTime(t *testing.T) {
	t.Parallel()
	cache := NewCache(DefaultBudget)
	for range 2 {
		_, err := cache.Load("apps", v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:0"},
			func() (io.ReadCloser, error) {
				panic("as arranged")
			})
		var caught *guard.PanicError
		if !errors.As(err, &caught) {
			t.Errorf("error = %v", err)
		}
	}
	if len(cache.entries) != 0 {
		t.Error("the failure is kept")
	}
}
