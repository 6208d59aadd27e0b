package build

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
)

// entryBytes is what a file takes in memory beside its content.
const entryBytes = 256

// Measure returns how many bytes the files of a tar.gz take once [Read] has unpacked it, and keeps none of them. An archive that unpacks to
// more than the limits is an *Error. A file counts with the size that it claims, so that one made of holes, which is small in the archive,
// counts in full.
func Measure(archive io.Reader, l Limits) (bytes int64, err error) {
	l = l.complete()
	zip, err := gzip.NewReader(archive)
	if err != nil {
		return 0, broken("", "the archive of the source cannot be read: %w", err)
	}
	entries := tar.NewReader(&boundedReader{r: zip, left: l.Bytes + int64(l.Files)*8192})
	for count := 0; ; count++ {
		h, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF):
			return bytes, nil
		case err != nil:
			return 0, broken("", "the archive of the source cannot be read: %w", err)
		case count >= l.Files:
			return 0, broken("", "the archive of the source has more than %d files", l.Files)
		}
		bytes += entryBytes + int64(2*len(h.Name)+len(h.Linkname))
		if h.Typeflag == tar.TypeReg && h.Size <= l.File {
			bytes += h.Size
		}
		if bytes > l.Bytes+int64(l.Files)*8192 {
			return 0, broken("", "the archive of the source unpacks to more than %d bytes", l.Bytes)
		}
	}
}

// Memory is about how many bytes a tree takes.
func (t *Tree) Memory() int64 {
	var bytes int64
	for name, content := range t.files {
		bytes += entryBytes + int64(2*len(name)+cap(content))
	}
	for name, target := range t.links {
		bytes += entryBytes + int64(2*len(name)+len(target))
	}
	return bytes + int64(len(t.large))*entryBytes
}
