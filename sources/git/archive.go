package git

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
	"fairlead.dev/fairlead/sources/transport"
)

// treeArchive is a work tree's tar.gz that is read more than once: the links of a chart are only known when all of it
// has been seen.
type treeArchive struct {
	source io.ReadSeeker
	limits Limits
	layout layout
	left   []string // links that are not in the archive
	exec   map[string]bool
}

// openArchive reads what the archive holds. A reader that can seek, as the store's can, is read again later; any other
// is read into memory.
func openArchive(r io.Reader, l Limits) (*treeArchive, error) {
	seeker, ok := r.(io.ReadSeeker)
	if !ok {
		content, err := io.ReadAll(transport.Limit(r, l.Bytes))
		if err != nil {
			return nil, badArchive(err)
		}

		seeker = bytes.NewReader(content)
	}

	a := &treeArchive{source: seeker, limits: l, layout: layout{links: map[string]string{}}, exec: map[string]bool{}}
	err := a.walk(func(h *tar.Header, name string, _ io.Reader) error {
		switch h.Typeflag {
		case tar.TypeReg:
			a.layout.names = append(a.layout.names, name)
			a.exec[name] = h.Mode&0o100 != 0
		case tar.TypeSymlink:
			a.layout.links[name] = h.Linkname
		}

		if len(a.layout.names)+len(a.layout.links) > l.Files {
			return badArchive(fmt.Errorf("it has more than the %d files that are allowed", l.Files))
		}

		return nil
	})
	slices.Sort(a.layout.names)
	a.layout.names = slices.Compact(a.layout.names)
	return a, err
}

func badArchive(err error) error {
	if known := (*sources.Error)(nil); errors.As(err, &known) {
		return known
	}
	return sources.Fail(v1beta1.InvalidContentReason, err, "reading the archive of the work tree")
}

// walk calls f for every entry. What comes out of the decompressor is bounded.
func (a *treeArchive) walk(f func(h *tar.Header, name string, content io.Reader) error) error {
	if _, err := a.source.Seek(0, io.SeekStart); err != nil {
		return badArchive(err)
	}

	budget := archive.Budget{Bytes: archive.Room(a.limits.Bytes, a.limits.Files), TooLarge: transport.ErrTooLarge}
	r, err := budget.Open(a.source)
	if err != nil {
		return badArchive(err)
	}

	a.left = decodeLeftOut(r.Extra)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badArchive(err)
		}

		name, inside := archive.Inside(h.Name)
		if !inside {
			return badArchive(fmt.Errorf("it has a file with the impossible name %.200q", h.Name))
		}
		if err := f(h, name, r); err != nil {
			return badArchive(err)
		}
	}
}

// read returns the content of files, within a limit for all of them together.
func (a *treeArchive) read(names map[string]bool, limit int64) (map[string][]byte, error) {
	found := map[string][]byte{}
	err := a.walk(func(h *tar.Header, name string, content io.Reader) error {
		if h.Typeflag != tar.TypeReg || !names[name] {
			return nil
		}
		if h.Size > limit {
			return errTooLarge
		}

		raw, err := io.ReadAll(content)
		if err != nil {
			return err
		}

		limit -= int64(len(raw))
		found[name] = raw
		return nil
	})
	return found, err
}

var errTooLarge = sources.Fail(v1beta1.InvalidContentReason, nil,
	"the chart's files have more than the %d bytes that helm allows", maxChartBytes)
