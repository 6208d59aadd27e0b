package chartvalues

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

func chart(t *testing.T) []byte {
	t.Helper()
	archive, err := servers.BuildChart(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": "a: 1\nb: {c: 2, d: 3}\n",
		"values-prod.yaml": "b: {c: 20}\nlist: [1, 2]\n", "ci/more.yaml": "b: {e: null}\nlist: [3]\n",
		"broken.yaml": "hunter2: [\n", "list.yaml": "[hunter2]\n",
		"templates/x.yaml": "x: {{ .Values.b.c }}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

func TestReplace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		files Files
		want  string
	}{
		{"one file instead of values.yaml", Files{Names: []string{"values-prod.yaml"}}, "b:\n  c: 20\nlist:\n- 1\n- 2\n"},
		{"in order, what comes later counts", Files{Names: []string{"values.yaml", "values-prod.yaml", "./ci/more.yaml"}},
			"a: 1\nb:\n  c: 20\n  d: 3\n  e: null\nlist:\n- 3\n"},
		{
			"what is missing is left out when that is allowed",
			Files{Names: []string{"values.yaml", "gone.yaml"}, Lenient: true}, "a: 1\nb:\n  c: 2\n  d: 3\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files, err := tt.files.Check()
			if err != nil {
				t.Fatal(err)
			}
			var once, twice bytes.Buffer
			if err := files.Replace(bytes.NewReader(chart(t)), &once); err != nil {
				t.Fatal(err)
			}
			if err := files.Replace(bytes.NewReader(chart(t)), &twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
				t.Errorf("the copies differ, or %v", err)
			}
			loaded, err := loader.LoadArchive(&once)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range loaded.Raw {
				if file.Name == ValuesFile && string(file.Data) != tt.want {
					t.Errorf("values.yaml is\n%s", file.Data)
				}
			}
			if loaded.Name() != "web" || len(loaded.Templates) != 1 {
				t.Errorf("the rest of the chart: %s, %d templates", loaded.Name(), len(loaded.Templates))
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		names  []string
		reason string
		says   string
	}{
		{[]string{"gone.yaml"}, v1beta1.NotFoundReason, `"gone.yaml" does not exist`},
		{[]string{"broken.yaml"}, v1beta1.InvalidContentReason, `"broken.yaml" is not a YAML object`},
		{[]string{"list.yaml"}, v1beta1.InvalidContentReason, `"list.yaml" is not a YAML object`},
	} {
		err := Files{Names: tt.names}.Replace(bytes.NewReader(chart(t)), io.Discard)
		if sources.Reason(err) != tt.reason || !strings.Contains(err.Error(), tt.says) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", tt.names, err)
		}
	}
	for _, names := range [][]string{{"../x"}, {"/etc/passwd"}, {""}, {"."}, {"a\\b"}, make([]string, maxFiles+1)} {
		if _, err := (Files{Names: names}).Check(); sources.Reason(err) != v1beta1.InvalidReferenceReason {
			t.Errorf("%q: %v", names, err)
		}
	}
}

// Archives that are no charts, or are made to hurt.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	pack := func(headers ...*tar.Header) []byte {
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		w := tar.NewWriter(zip)
		for _, h := range headers {
			if err := w.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(w, zeros{}, h.Size); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	file := func(name string, size int64) *tar.Header {
		return &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: size}
	}
	var bomb []*tar.Header
	for i := range 30 {
		bomb = append(bomb, file("web/"+strings.Repeat("x", i+1)+".tgz", 4<<20))
	}
	for name, archive := range map[string][]byte{
		"no archive": []byte("hello"), "a way out": pack(file("../x", 1)), "an absolute path": pack(file("/x", 1)),
		"two directories": pack(file("a/x", 1), file("b/x", 1)),
		"a link":          pack(&tar.Header{Name: "a/x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"the same twice":  pack(file("a/x", 1), file("a/./x", 1)),
		"a large file":    pack(file("a/x", maxFile+1)), "a bomb": pack(bomb...),
	} {
		if err := (Files{Lenient: true}).Replace(bytes.NewReader(archive),
			io.Discard); sources.Reason(err) != v1beta1.InvalidContentReason {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func FuzzReplace(f *testing.F) {
	archive, err := servers.BuildChart(
		map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": "a: 1\n"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(archive, "values.yaml")
	f.Fuzz(func(_ *testing.T, archive []byte, name string) {
		_ = Files{Names: []string{name}, Lenient: true}.Replace(bytes.NewReader(archive), io.Discard)
	})
}
