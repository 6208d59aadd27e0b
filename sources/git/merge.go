package git

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Part is an archive of which a directory is copied into another archive.
type Part struct {
	Archive io.ReadSeeker
	// From is the directory that is copied, To where it is copied to; empty is the root.
	From, To string
}

// NewPart checks the paths of a part. One that leads out of a tree is a sources.Error with reason InvalidReference,
// stalled.
func NewPart(archive io.ReadSeeker, from, to string) (Part, error) {
	cleanFrom, err := cleanPath(strings.TrimPrefix(from, "/"))
	if err != nil {
		return Part{}, err
	}
	cleanTo, err := cleanPath(strings.TrimPrefix(to, "/"))
	return Part{archive, cleanFrom, cleanTo}, err
}

// Merge writes archives as Fetch writes them into one: the files of the first, and those of the others where their
// parts say. Of files at the same place the last one counts. A part that has nothing is a sources.Error with reason
// NotFound, archives above the limits are one with reason InvalidContent.
func Merge(base io.ReadSeeker, parts []Part, w io.Writer, l Limits) error {
	all := append([]Part{{Archive: base}}, parts...)
	merge := merger{limits: l.withDefaults(), winner: map[string]int{}}
	for at, part := range all {
		found := 0
		err := merge.walk(part, func(_ *tar.Header, name string, _ io.Reader) error {
			merge.winner[name] = at
			found++
			return nil
		})
		if err == nil && found == 0 && at > 0 {
			err = sources.Fail(v1beta1.NotFoundReason, nil, "the included artifact has nothing at %q", part.From)
		}
		if err != nil {
			return err
		}
	}

	if len(merge.winner) > merge.limits.Files {
		return badArchive(fmt.Errorf("together they have more than the %d files that are allowed", merge.limits.Files))
	}

	zip := gzip.NewWriter(w)
	zip.Extra = encodeLeftOut(merge.left)
	merge.out = tar.NewWriter(zip)
	for at, part := range all {
		err := merge.walk(part, func(h *tar.Header, name string, content io.Reader) error {
			return merge.copy(at, h, name, content)
		})
		if err != nil {
			return err
		}
	}

	if err := merge.out.Close(); err != nil {
		return err
	}

	return zip.Close()
}

// merger writes several archives into one.
type merger struct {
	limits Limits
	// winner is the archive that each file is taken from.
	winner map[string]int
	left   []string
	out    *tar.Writer
	size   int64
}

// walk calls f with the files and links of a part, by their new names.
func (m *merger) walk(part Part, f func(*tar.Header, string, io.Reader) error) error {
	a := &treeArchive{source: part.Archive, limits: m.limits}
	err := a.walk(func(h *tar.Header, name string, content io.Reader) error {
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
			return nil
		}

		if part.From != "" {
			rest, is := strings.CutPrefix(name, part.From+"/")
			if !is {
				return nil
			}

			name = rest
		}

		return f(h, path.Join(part.To, name), content)
	})
	if m.out == nil {
		m.left = append(m.left, a.left...)
	}

	return err
}

func (m *merger) copy(at int, h *tar.Header, name string, content io.Reader) error {
	if m.winner[name] != at {
		return nil
	}
	if m.size += h.Size; m.size > m.limits.Bytes {
		return badArchive(fmt.Errorf("together they have more than the %d bytes that are allowed", m.limits.Bytes))
	}

	header := &tar.Header{Name: name, Mode: h.Mode, Typeflag: h.Typeflag, Linkname: h.Linkname, Size: h.Size}
	if err := m.out.WriteHeader(header); err != nil {
		return err
	}

	_, err := io.Copy(m.out, content)
	return err
}
