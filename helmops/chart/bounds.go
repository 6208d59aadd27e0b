package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"fairlead.dev/fairlead/sources/archive"
)

// Bounds of what an archive unpacks to. Helm's loader bounds each archive for itself; these are for one with all that
// are in it, which a few kilobytes could make unpack to any size otherwise.
const (
	maxUnpacked = 100 << 20
	maxFiles    = 20_000
	// maxNested bounds an archive inside of another, in bytes; it is what Helm allows for any file.
	maxNested = 5 << 20
)

var errBounds = fmt.Errorf("it unpacks to more than %d files or %d bytes, with the charts in it", maxFiles, maxUnpacked)

// bounded fails when an archive, with those in its charts/, unpacks to more than is allowed. What is broken in
// another way is left for the loader to report.
func bounded(packed []byte) error {
	budget := &archive.Budget{Bytes: maxUnpacked, TooLarge: errBounds, Entries: maxFiles, TooMany: errBounds}
	return spend(budget, bytes.NewReader(packed))
}

func spend(budget *archive.Budget, packed io.Reader) error {
	unpacked, err := budget.Open(packed)
	if err != nil {
		return nil //nolint:nilerr // the loader says so
	}

	for {
		header, err := unpacked.Next()
		switch {
		case errors.Is(err, errBounds):
			return err
		case err != nil:
			return nil //nolint:nilerr // the end, or what the loader says
		}

		if !isNested(header.Name) {
			continue
		}

		inner, err := io.ReadAll(io.LimitReader(unpacked, maxNested))
		if err == nil {
			err = spend(budget, bytes.NewReader(inner))
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
