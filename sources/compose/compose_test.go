package compose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/build"
)

// packed makes a tar.gz: "-> TARGET" is a symbolic link, and what begins with #! can be executed.
func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	return build.Archive(t, files, nil)
}

func unpacked(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
		if h.Mode == 0o755 {
			files[h.Name] += " (executable)"
		}
		if !h.ModTime.IsZero() && h.ModTime.Unix() != 0 {
			t.Errorf("%s has the time %s", h.Name, h.ModTime)
		}
	}
}

func compose(
	t *testing.T, archives map[string][]byte, l Limits, copies ...v1beta1.CopyOperation,
) ([]byte, Made, error) {
	t.Helper()
	scratch, err := os.Create(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	from := map[string]Source{}
	for alias, archive := range archives {
		from[alias] = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	}
	var out bytes.Buffer
	made, err := Compose(t.Context(), v1beta1.OutputArtifact{Name: "made", Copy: copies}, from, scratch, &out, l)
	return out.Bytes(), made, err
}

func op(from, to string, change ...func(*v1beta1.CopyOperation)) v1beta1.CopyOperation {
	o := v1beta1.CopyOperation{From: from, To: to}
	for _, c := range change {
		c(&o)
	}
	return o
}

func merging(o *v1beta1.CopyOperation)    { o.Strategy = v1beta1.CopyMerge }
func extracting(o *v1beta1.CopyOperation) { o.Strategy = v1beta1.CopyExtract }
func without(patterns ...string) func(*v1beta1.CopyOperation) {
	return func(o *v1beta1.CopyOperation) { o.Exclude = patterns }
}

func sourcesOf(t *testing.T) map[string][]byte {
	t.Helper()
	inner := packed(t, map[string]string{"web/Chart.yaml": "name: web", "web/run.sh": "#!/bin/sh"})
	return map[string][]byte{
		"repo": packed(t, map[string]string{
			"README.md":                  "read me",
			"deploy/app.yaml":            "app",
			"deploy/notes.md":            "notes",
			"deploy/prod/app.yaml":       "prod app",
			"deploy/prod/testdata/t.yml": "t",
			"deploy/run.sh":              "#!/bin/sh",
			"values.yaml":                "a: {x: 1, z: 2}\nlist: [1, 2]\n",
			"linked":                     "-> deploy/prod",
			"link.yaml":                  "-> deploy/app.yaml",
			"outside.yaml":               "-> ../../etc/passwd",
		}),
		"other": packed(t, map[string]string{
			"values.yaml":    "a: {z: 3}\nlist: [3]\n---\nb: true\n",
			"text.txt":       "no yaml: [",
			"app.yaml":       "another app",
			"web-1.0.0.tgz":  string(inner),
			"broken.tar.gz":  "no archive",
			"nested/web.TGZ": string(inner),
		}),
	}
}

func TestCopyOperations(t *testing.T) {
	t.Parallel()
	archives := sourcesOf(t)
	for _, tt := range []struct {
		name   string
		copies []v1beta1.CopyOperation
		want   map[string]string
		chart  string
	}{
		{
			name:   "a file to another name",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/app.yaml", "@artifact/apps/web.yaml")},
			want:   map[string]string{"apps/web.yaml": "app"},
		},
		{
			name:   "a file into a directory, by the slash",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/app.yaml", "@artifact/apps/")},
			want:   map[string]string{"apps/app.yaml": "app"},
		},
		{
			name: "a file into a directory that is there",
			copies: []v1beta1.CopyOperation{
				op("@repo/deploy/app.yaml", "@artifact/apps/"), op("@repo/README.md", "@artifact/apps"),
			},
			want: map[string]string{"apps/app.yaml": "app", "apps/README.md": "read me"},
		},
		{
			name:   "a file to the root",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/run.sh", "@artifact/")},
			want:   map[string]string{"run.sh": "#!/bin/sh (executable)"},
		},
		{
			name:   "a directory keeps its name",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/prod/", "@artifact/apps/")},
			want:   map[string]string{"apps/prod/app.yaml": "prod app", "apps/prod/testdata/t.yml": "t"},
		},
		{
			name:   "what is in a directory loses it",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/prod/**", "@artifact/apps/")},
			want:   map[string]string{"apps/app.yaml": "prod app", "apps/testdata/t.yml": "t"},
		},
		{
			name:   "other patterns keep the path",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/*.yaml", "@artifact/apps/")},
			want:   map[string]string{"apps/deploy/app.yaml": "app"},
		},
		{
			name:   "a pattern for files in any directory",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/**/*.{yaml,yml}", "@artifact/")},
			want: map[string]string{
				"deploy/app.yaml": "app", "deploy/prod/app.yaml": "prod app", "deploy/prod/testdata/t.yml": "t",
			},
		},
		{
			name:   "a pattern for directories takes what is in them",
			copies: []v1beta1.CopyOperation{op("@repo/*/prod", "@artifact/")},
			want:   map[string]string{"deploy/prod/app.yaml": "prod app", "deploy/prod/testdata/t.yml": "t"},
		},
		{
			name:   "what is excluded by name, by directory and below the directory",
			copies: []v1beta1.CopyOperation{op("@repo/deploy/**", "@artifact/", without("*.md", "**/testdata/**", "run.sh"))},
			want:   map[string]string{"app.yaml": "app", "prod/app.yaml": "prod app"},
		},
		{
			name: "the whole source without a directory, and a single file that is excluded",
			copies: []v1beta1.CopyOperation{
				op("@repo/", "@artifact/", without("deploy", "link*", "outside.yaml")),
				op("@other/app.yaml", "@artifact/", without("app.yaml")),
			},
			want: map[string]string{"README.md": "read me", "values.yaml": "a: {x: 1, z: 2}\nlist: [1, 2]\n"},
		},
		{
			name: "what comes later counts",
			copies: []v1beta1.CopyOperation{
				op("@repo/deploy/app.yaml", "@artifact/"), op("@other/app.yaml", "@artifact/"),
			},
			want: map[string]string{"app.yaml": "another app"},
		},
		{
			name: "YAML is merged as Helm merges values",
			copies: []v1beta1.CopyOperation{
				op("@repo/values.yaml", "@artifact/"), op("@other/values.yaml", "@artifact/values.yaml", merging),
			},
			want: map[string]string{"values.yaml": "a:\n  x: 1\n  z: 3\nb: true\nlist:\n- 3\n"},
		},
		{
			name:   "what is merged with nothing is copied",
			copies: []v1beta1.CopyOperation{op("@other/text.txt", "@artifact/", merging)},
			want:   map[string]string{"text.txt": "no yaml: ["},
		},
		{
			name:   "links are replaced by what they lead to",
			copies: []v1beta1.CopyOperation{op("@repo/linked/**", "@artifact/"), op("@repo/link.yaml", "@artifact/l.yaml")},
			want:   map[string]string{"app.yaml": "prod app", "testdata/t.yml": "t", "l.yaml": "app"},
		},
		{
			name:   "a tar.gz is extracted, and is a chart",
			copies: []v1beta1.CopyOperation{op("@other/web-1.0.0.tgz", "@artifact/", extracting)},
			want:   map[string]string{"web/Chart.yaml": "name: web", "web/run.sh": "#!/bin/sh (executable)"},
			chart:  "web",
		},
		{
			name:   "a pattern extracts the tar.gz files alone",
			copies: []v1beta1.CopyOperation{op("@other/nested/**", "@artifact/charts/", extracting)},
			want: map[string]string{
				"charts/web/Chart.yaml": "name: web", "charts/web/run.sh": "#!/bin/sh (executable)",
			},
		},
		{
			name: "a chart at the root",
			copies: []v1beta1.CopyOperation{
				op("@other/web-1.0.0.tgz", "@artifact/x", extracting), op("@repo/README.md", "@artifact/Chart.yaml"),
			},
			want: map[string]string{
				"x/web/Chart.yaml": "name: web", "x/web/run.sh": "#!/bin/sh (executable)", "Chart.yaml": "read me",
			},
			chart: ".",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			archive, made, err := compose(t, archives, Limits{}, tt.copies...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, unpacked(t, archive)); diff != "" {
				t.Errorf("the artifact (-want +got):\n%s", diff)
			}
			if made.Files != len(tt.want) || made.Chart != tt.chart {
				t.Errorf("made %+v, want %d files and the chart %q", made, len(tt.want), tt.chart)
			}
			again, _, err := compose(t, archives, Limits{}, tt.copies...)
			if err != nil || !bytes.Equal(archive, again) {
				t.Errorf("the same operations made other bytes, error %v", err)
			}
		})
	}
}

// Other files of a source do not change the bytes of an artifact that does not have them.
func TestOtherFilesDoNotCount(t *testing.T) {
	t.Parallel()
	copies := op("@repo/deploy/**", "@artifact/")
	before, _, err := compose(t, sourcesOf(t), Limits{}, copies)
	if err != nil {
		t.Fatal(err)
	}
	archives := map[string][]byte{"repo": packed(t, map[string]string{
		"deploy/app.yaml": "app", "deploy/notes.md": "notes", "deploy/prod/app.yaml": "prod app",
		"deploy/prod/testdata/t.yml": "t", "deploy/run.sh": "#!/bin/sh", "new.yaml": "new",
	})}
	after, _, err := compose(t, archives, Limits{}, copies)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the artifact has other bytes, error %v", err)
	}
}
