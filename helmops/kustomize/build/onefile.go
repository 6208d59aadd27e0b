package build

import (
	"archive/tar"
	"errors"
	"io"
	"path"

	"fairlead.dev/fairlead/sources/archive"
)

// ReadFile returns one file of a tar.gz of up to most bytes, and keeps nothing else of it in memory. Links are not
// followed. The error says what is wrong with the archive or the file, and quotes no content; it is an *Error.
func ReadFile(packed io.Reader, name string, most int64) ([]byte, error) {
	l := Limits{}.complete()
	wanted, inside := archive.Inside(name)
	if !inside {
		return nil, broken("", "the path %q leads out of the source", name)
	}

	entries, err := l.open(packed)
	if err != nil {
		return nil, err
	}

	for {
		h, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, broken("", "the source has no file %s", name)
		case err != nil:
			return nil, unreadable(err)
		case path.Clean(h.Name) != wanted:
			continue
		}

		return readEntry(h, entries, name, most)
	}
}

func readEntry(h *tar.Header, r io.Reader, name string, most int64) ([]byte, error) {
	switch {
	case h.Typeflag == tar.TypeDir:
		return nil, broken("", "%s is a directory of the source", name)
	case h.Typeflag != tar.TypeReg:
		return nil, broken("", "%s is a link, or another special file, of the source", name)
	case h.Size > most:
		return nil, broken("", "%s has %d bytes, more than %d", name, h.Size, most)
	}

	content, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, unreadable(err)
	}

	return content, nil
}
