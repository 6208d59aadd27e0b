package ignore

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// packed is a tar.gz of files with their names as content; a name that ends in a slash is a directory.
func packed(t *testing.T, names ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	w := tar.NewWriter(zip)
	for _, name := range names {
		header := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(name))}
		if strings.HasSuffix(name, "/") {
			header.Typeflag, header.Size = tar.TypeDir, 0
		}
		if err := w.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			if _, err := io.WriteString(w, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestStrip(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, patterns string
		files, want    []string
	}{
		{"nothing", "", []string{"a.yaml", "docs/", "docs/a.md"}, []string{"a.yaml", "docs/", "docs/a.md"}},
		{"by suffix", "*.md", []string{"a.yaml", "docs/", "docs/a.md"}, []string{"a.yaml", "docs/"}},
		{"a directory", "docs/", []string{"a.yaml", "docs/", "docs/a.md"}, []string{"a.yaml"}},
		{"everything but one", "/*\n!/apps", []string{"a.yaml", "apps/", "apps/b.yaml"}, []string{"apps/", "apps/b.yaml"}},
		{"with a dot in front", "/docs", []string{"./a.yaml", "./docs/", "./docs/a.md"}, []string{"./a.yaml"}},
		{"files of version control", "", []string{"a.yaml", ".git/", ".git/HEAD"}, []string{"a.yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := New(&tt.patterns, nil)
			if err != nil {
				t.Fatal(err)
			}
			var first, second bytes.Buffer
			archive := packed(t, tt.files...)
			if err := errors.Join(m.Strip(bytes.NewReader(archive), &first),
				m.Strip(bytes.NewReader(archive), &second)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Error("two copies of one archive differ")
			}
			zip, err := gzip.NewReader(&first)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for r := tar.NewReader(zip); ; {
				header, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if content, err := io.ReadAll(r); err != nil || header.Typeflag == tar.TypeReg && string(content) != header.Name {
					t.Errorf("%s holds %q, %v", header.Name, content, err)
				}
				got = append(got, header.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("left are %q, want %q", got, tt.want)
			}
		})
	}
}

// gzipped is the tar.gz of one file of a size.
func gzipped(t *testing.T, size int64) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zip := gzip.NewWriter(&buffer)
	w := tar.NewWriter(zip)
	err := w.WriteHeader(&tar.Header{Name: "large", Mode: 0o644, Typeflag: tar.TypeReg, Size: size})
	_, copyErr := io.CopyN(w, zeros{}, size)
	if err := errors.Join(err, copyErr, w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestStripRefusesWhatIsBroken(t *testing.T) {
	t.Parallel()
	whole := packed(t, "a.yaml", "b.yaml")
	for name, archive := range map[string][]byte{
		"no gzip":          []byte("hello"),
		"cut":              whole[:len(whole)/2],
		"too large":        gzipped(t, MaxArchive+2),
		"too many entries": packed(t, slices.Repeat([]string{"a"}, MaxEntries+1)...),
	} {
		if err := (Matcher{}).Strip(bytes.NewReader(archive),
			io.Discard); sources.Reason(err) != v1beta1.InvalidContentReason {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
