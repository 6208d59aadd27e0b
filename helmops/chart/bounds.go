package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Bounds of what an archive unpacks to. Helm's loader bounds each archive for itself; these are for one with all that are in it, which a few
// kilobytes could make unpack to any size otherwise.
const (
	maxUnpacked = 100 << 20
	maxFiles    = 20_000
	// maxNested bounds an archive inside of another, in bytes; it is what Helm allows for any file.
	maxNested = 5 << 20
)

var errBounds = fmt.Errorf("it unpacks to more than %d files or %d bytes, with the charts in it", maxFiles, maxUnpacked)

// budget is what may still be unpacked.
type budget struct {
	files int
	bytes int64
}

// bounded reports whether an archive, with those in its charts/, unpacks to no more than is allowed. What is broken in another way is left for the
// loader to tell.
func bounded(archive []byte) error {
	return (&budget{maxFiles, maxUnpacked}).spend(bytes.NewReader(archive))
}

func (b *budget) spend(archive io.Reader) error {
	zip, err := gzip.NewReader(archive)
	if err != nil {
		return nil //nolint:nilerr // the loader says so
	}
	unpacked := tar.NewReader(&metered{zip, b})
	for {
		header, err := unpacked.Next()
		switch {
		case errors.Is(err, errBounds):
			return err
		case err != nil:
			return nil //nolint:nilerr // the end, or what the loader says
		}
		if b.files--; b.files < 0 {
			return errBounds
		}
		if !isNested(header.Name) {
			continue
		}
		inner, err := io.ReadAll(io.LimitReader(unpacked, maxNested))
		if err == nil {
			err = b.spend(bytes.NewReader(inner))
		}
		if errors.Is(err, errBounds) {
			return err
		}
	}
}

// isNested reports whether the loader opens a file as a chart of its own.
func isNested(name string) bool {
	return path.Ext(name) == ".tgz" && strings.Contains("/"+name, "/charts/")
}

// metered takes what is read from a budget.
type metered struct {
	r io.Reader
	b *budget
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.b.bytes -= int64(n); m.b.bytes < 0 {
		return n, errBounds
	}
	return n, err
}
