package build

import (
	"archive/tar"
	"errors"
	"io"

	"fairlead.dev/fairlead/sources/archive"
)

// entryBytes is what a file takes in memory beside its content.
const entryBytes = 256

// Measure returns how many bytes the files of a tar.gz take once [Read] has unpacked it, and keeps none of them. An
// archive that unpacks to more than the limits is an *Error. A file counts with the size that it claims, so that one
// made of holes, which is small in the archive, counts in full.
func Measure(packed io.Reader, l Limits) (bytes int64, err error) {
	l = l.complete()
	entries, err := l.open(packed)
	if err != nil {
		return 0, err
	}

	for {
		h, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF):
			return bytes, nil
		case err != nil:
			return 0, unreadable(err)
		}

		bytes += entryBytes + int64(2*len(h.Name)+len(h.Linkname))
		if h.Typeflag == tar.TypeReg && h.Size <= l.File {
			bytes += h.Size
		}
		if bytes > archive.Room(l.Bytes, l.Files) {
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
