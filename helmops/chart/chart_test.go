package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
)

var (
	errSentinel = errors.New("as arranged")
	web         = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
)

const metadata = "apiVersion: v2\nname: web\nversion: 1.0.0\n"

// packed returns an archive of the files, given as path and content in turn below the directory of the chart.
func packed(t *testing.T, files ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(zip)
	for i := 0; i < len(files); i += 2 {
		header := &tar.Header{Name: "web/" + files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestLoad(t *testing.T) {
	needing := metadata +
		"dependencies:\n- {name: db, version: '*', repository: ''}\n- {name: queue, version: '*', repository: ''}\n"
	const db = "charts/db/Chart.yaml"
	const queue = "charts/queue/Chart.yaml"
	tests := []struct {
		name    string
		archive io.Reader
		want    v1beta1.ChartRevision
		// refused is a part of the error, empty when the chart is taken.
		refused string
	}{
		{
			name: "a chart that is what it should be is taken", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)),
			want: web,
		},
		{name: "a chart with all its dependencies is taken", want: web,
			archive: bytes.NewReader(packed(t, "Chart.yaml", needing,
				db, "apiVersion: v2\nname: db\nversion: 1.0.0\n", queue, "apiVersion: v2\nname: queue\nversion: 1.0.0\n"))},
		{
			name: "an application is taken", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata+"type: application\n")),
			want: web,
		},
		{name: "another name is refused", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)),
			want:    v1beta1.ChartRevision{Name: "shop", Version: "1.0.0", Digest: "sha256:1"},
			refused: "chart shop-1.0.0@1 says that it is web-1.0.0"},
		{name: "a leading v makes no other version", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)),
			want: v1beta1.ChartRevision{Name: "web", Version: "v1.0.0", Digest: "sha256:1"}},
		{name: "another build is refused", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)),
			want:    v1beta1.ChartRevision{Name: "web", Version: "1.0.0+b1", Digest: "sha256:1"},
			refused: "says that it is web-1.0.0"},
		{name: "another version is refused", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)),
			want:    v1beta1.ChartRevision{Name: "web", Version: "1.0.1", Digest: "sha256:1"},
			refused: "says that it is web-1.0.0"},
		{
			name: "a library is refused", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata+"type: library\n")),
			want: web, refused: "is a library chart",
		},
		{name: "a chart without a dependency is refused, and the dependency named", want: web,
			refused: "lacks its dependencies in charts/: queue",
			archive: bytes.NewReader(packed(t, "Chart.yaml", needing, db, "apiVersion: v2\nname: db\nversion: 1.0.0\n"))},
		{name: "a chart that is not valid is refused",
			archive: bytes.NewReader(packed(t, "Chart.yaml", "apiVersion: v2\nname: web\n")), want: web,
			refused: "chart web-1.0.0@1"},
		{
			name: "an archive without a chart is refused", archive: bytes.NewReader(packed(t, "README.md", "hello")), want: web,
			refused: "loading chart web-1.0.0@1",
		},
		{
			name: "what is no archive is refused", archive: strings.NewReader("hello"), want: web,
			refused: "loading chart web-1.0.0@1",
		},
		{
			name: "an archive that ends early is refused", archive: bytes.NewReader(packed(t, "Chart.yaml", metadata)[:60]),
			want: web, refused: "loading chart",
		},
		{
			name: "a read that fails is refused", archive: iotest.ErrReader(errSentinel), want: web,
			refused: errSentinel.Error(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			loaded, err := Load(tt.archive, tt.want)
			if tt.refused == "" {
				if err != nil || loaded.Metadata.Name != "web" {
					t.Errorf("loaded %v, error %v", loaded, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("error = %v, want %q", err, tt.refused)
			}
		})
	}
}

// endless never runs out of bytes.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i * 7)
	}
	return len(p), nil
}

func TestLoadBoundsTheArchive(t *testing.T) {
	t.Parallel()
	var stored bytes.Buffer
	zip, err := gzip.NewWriterLevel(&stored, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(zip)
	const part = 4 << 20 // Helm bounds each file by itself
	for i := range MaxArchive/part + 1 {
		header := &tar.Header{Name: fmt.Sprintf("web/files/%d", i), Mode: 0o644, Size: part, Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(archive, endless{}, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(&stored, web); err == nil || !strings.Contains(err.Error(), "is larger than 20971520 bytes") {
		t.Errorf("error = %v, want the size limit", err)
	}
}

func rich() *chart.Chart {
	root := &chart.Chart{
		Metadata: &chart.Metadata{
			Name: "web", Version: "1.0.0", Annotations: map[string]string{"a": "1"},
			Dependencies: []*chart.Dependency{{Name: "db", Tags: []string{"t"}, ImportValues: []any{"data"}}},
		},
		Values:    map[string]any{"m": map[string]any{"x": 1}, "l": []any{map[string]any{"y": 2}}},
		Templates: []*chart.File{{Name: "templates/a.yaml", Data: []byte("a")}},
		Schema:    []byte("{}"),
	}
	root.AddDependency(&chart.Chart{Metadata: &chart.Metadata{Name: "db"}, Values: map[string]any{"z": 3}})
	return root
}

func TestCopySharesNothingThatHelmChanges(t *testing.T) {
	t.Parallel()
	original := rich()
	copied, err := Copy(original)
	if err != nil {
		t.Fatal(err)
	}
	compare := cmp.Options{cmp.AllowUnexported(chart.Chart{}), cmpopts.EquateEmpty(),
		cmp.FilterPath(func(p cmp.Path) bool {
			return p.Last().String() == ".parent"
		}, cmp.Ignore())}
	if diff := cmp.Diff(original, copied, compare); diff != "" {
		t.Fatalf("the copy differs (-original +copy):\n%s", diff)
	}
	if db := copied.Dependencies()[0]; db.Parent() != copied || db.ChartFullPath() != "web/charts/db" {
		t.Errorf("the dependency of the copy belongs to %v", db.Parent())
	}
	copied.Metadata.Name, copied.Metadata.Annotations["a"] = "changed", "changed"
	copied.Metadata.Dependencies[0].Enabled, copied.Metadata.Dependencies[0].Tags[0] = true, "changed"
	copied.Metadata.Dependencies[0].ImportValues[0] = "changed"
	copied.Values["m"].(map[string]any)["x"], copied.Values["l"].([]any)[0].(map[string]any)["y"] = 9, 9
	copied.Dependencies()[0].Values["z"] = 9
	copied.SetDependencies()
	if diff := cmp.Diff(rich(), original, compare); diff != "" {
		t.Errorf("changes of the copy reach the original (-before +after):\n%s", diff)
	}
}

func TestCopyRefusesAChartWithoutMetadata(t *testing.T) {
	t.Parallel()
	broken := rich()
	broken.AddDependency(&chart.Chart{})
	if _, err := Copy(broken); err == nil {
		t.Error("a dependency without metadata was copied")
	}
}

// A few kilobytes that unpack to more than is allowed are refused, also when each archive in them does not.
func TestLoadIsBounded(t *testing.T) {
	zeros := strings.Repeat("\x00", 5<<20)
	nested := packed(t, "Chart.yaml", "apiVersion: v2\nname: db\nversion: 1.0.0\n", "a", zeros, "b", zeros, "c", zeros,
		"d", zeros)
	bomb := []string{"Chart.yaml", metadata}
	for i := range 6 {
		bomb = append(bomb, fmt.Sprintf("charts/db-%d.tgz", i), string(nested))
	}
	many := []string{"Chart.yaml", metadata}
	for i := range maxFiles {
		many = append(many, fmt.Sprintf("files/%d", i), "")
	}
	large := []string{"Chart.yaml", metadata}
	for i := range 21 {
		large = append(large, fmt.Sprintf("files/%d", i), zeros)
	}
	for name, files := range map[string][]string{"charts in the chart": bomb, "files": many, "bytes": large} {
		archive := packed(t, files...)
		if len(archive) > 2<<20 {
			t.Fatalf("%s: the archive has %d bytes, which is no bomb", name, len(archive))
		}
		if _, err := Load(bytes.NewReader(archive), web); !errors.Is(err, errBounds) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(bytes.NewReader(packed(t, "Chart.yaml", metadata, "charts/db.tgz", string(nested))),
		web); errors.Is(err, errBounds) {
		t.Errorf("what is within bounds is refused: %v", err)
	}
}
