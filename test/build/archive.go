package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Archive makes a tar.gz of files, with the extra field in its header: "-> TARGET" is a symbolic link, and what begins
// with #! can be executed.
func Archive(tb testing.TB, files map[string]string, extra []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	zip.Extra = extra
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if target, is := strings.CutPrefix(content, "-> "); is {
			h, content = &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}, ""
		} else if strings.HasPrefix(content, "#!") {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
