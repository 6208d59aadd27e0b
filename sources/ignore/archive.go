package ignore

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
)

// Limits of an archive that Strip reads.
const (
	// MaxArchive is how large an archive may be when it is unpacked, in bytes.
	MaxArchive = 100 << 20
	// MaxEntries is how many entries it may have.
	MaxEntries = 20_000
)

// Strip copies a tar.gz to w without the entries that are ignored. What stays is as it was, in the same order, so that
// the same input gives the same bytes. An archive that is broken or above the limits is a sources.Error with reason
// InvalidContent.
func (m Matcher) Strip(input io.Reader, w io.Writer) error {
	budget := archive.Budget{
		Bytes:    MaxArchive,
		TooLarge: fmt.Errorf("it has more than %d bytes when it is unpacked", MaxArchive),
		Entries:  MaxEntries,
		TooMany:  fmt.Errorf("it has more than %d entries", MaxEntries),
	}
	in, err := budget.Open(input)
	if err != nil {
		return broken(err)
	}

	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return broken(err)
		}
		if err := m.copyEntry(header, in, out); err != nil {
			return err
		}
	}

	if err := out.Close(); err != nil {
		return fmt.Errorf("writing an archive: %w", err)
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("writing an archive: %w", err)
	}

	return nil
}

// copyEntry copies one entry, unless it is ignored.
func (m Matcher) copyEntry(header *tar.Header, content io.Reader, out *tar.Writer) error {
	name := path.Clean("/" + header.Name)[1:]
	if m.Match(name, header.Typeflag == tar.TypeDir) {
		return nil
	}
	if err := out.WriteHeader(header); err != nil {
		return broken(err)
	}
	if _, err := io.Copy(out, content); err != nil {
		return broken(err)
	}

	return nil
}

func broken(err error) error {
	return sources.Fail(v1beta1.InvalidContentReason, err, "leaving out of an archive what is ignored")
}
