// Package chartvalues gives charts other default values: those of files that spec.valuesFiles names, merged, instead of
// their values.yaml.
package chartvalues

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
	"fairlead.dev/fairlead/sources/transport"
)

const (
	// ValuesFile is the file of a chart with its default values.
	ValuesFile = "values.yaml"
	// maxFiles is how many files may be named, maxFile how large each may be and maxArchive all that is unpacked, in
	// bytes.
	maxFiles   = 50
	maxFile    = 5 << 20
	maxArchive = 100 << 20
	maxEntries = 20_000
)

// Files are the files that the values of a chart come from.
type Files struct {
	// Names are paths, in order: what comes later counts.
	Names []string
	// Lenient leaves out what is not there.
	Lenient bool
}

// Check cleans the names. One that is absolute or leads out, and too many of them, are a sources.Error with reason
// InvalidReference, stalled.
func (f Files) Check() (Files, error) {
	if len(f.Names) > maxFiles {
		return f, sources.Stall(v1beta1.InvalidReferenceReason, nil, "valuesFiles names %d files, %d are allowed",
			len(f.Names), maxFiles)
	}

	out := Files{Lenient: f.Lenient}
	for _, name := range f.Names {
		clean := path.Clean(name)
		if name == "" || clean == "." || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") ||
			strings.ContainsAny(clean, "\x00\\\n") {
			return f, sources.Stall(v1beta1.InvalidReferenceReason, nil,
				"the values file %.200q must be relative and inside of the source", name)
		}

		out.Names = append(out.Names, clean)
	}

	return out, nil
}

// Merge merges the files, by their names, into one document. One that is missing is a sources.Error with reason
// NotFound, one that is no YAML object one with reason InvalidContent, which does not quote it.
func (f Files) Merge(content map[string][]byte) ([]byte, error) {
	merged := map[string]any{}
	for _, name := range f.Names {
		raw, there := content[name]
		if !there && f.Lenient {
			continue
		}
		if !there {
			return nil, sources.Fail(v1beta1.NotFoundReason, nil, "the values file %q does not exist", name)
		}

		values := map[string]any{}
		if err := yaml.Unmarshal(raw, &values); err != nil {
			return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "the values file %q is not a YAML object", name)
		}

		merged = chartutil.MergeTables(values, merged)
	}

	out, err := yaml.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("writing the merged values: %w", err)
	}

	return out, nil
}

// Replace copies the archive of a chart to w, with the merged files as its values. Names are those inside of the chart.
// The copy is the same for the same input. Archives that are broken or too large are a sources.Error with reason
// InvalidContent.
func (f Files) Replace(packed io.Reader, w io.Writer) error {
	entries, err := read(packed)
	if err != nil {
		return err
	}

	content := map[string][]byte{}
	root := ""
	for _, e := range entries {
		top, rest, nested := strings.Cut(e.header.Name, "/")
		if !nested || root != "" && root != top {
			return broken(errors.New("it does not consist of one directory"))
		}

		root = top
		content[rest] = e.content
	}

	merged, err := f.Merge(content)
	if err != nil {
		return err
	}

	name := root + "/" + ValuesFile
	entries = slices.DeleteFunc(entries, func(e entry) bool { return e.header.Name == name })
	entries = append(entries,
		entry{&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(merged))}, merged})
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.header.Name, b.header.Name) })
	return write(entries, w)
}

// entry is a file of an archive.
type entry struct {
	header  *tar.Header
	content []byte
}

func broken(err error) error {
	return sources.Fail(v1beta1.InvalidContentReason, err, "reading the archive of the chart")
}

func read(packed io.Reader) ([]entry, error) {
	budget := archive.Budget{Bytes: maxArchive, TooLarge: transport.ErrTooLarge}
	r, err := budget.Open(packed)
	if err != nil {
		return nil, broken(err)
	}

	var entries []entry
	seen := map[string]bool{}
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, broken(err)
		}
		if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}

		name, inside := archive.Inside(h.Name)
		if err := check(h, name, inside && !seen[name], len(entries)); err != nil {
			return nil, broken(err)
		}

		content, err := io.ReadAll(r)
		if err != nil {
			return nil, broken(err)
		}

		seen[name] = true
		mode := int64(0o644)
		if h.Mode&0o100 != 0 {
			mode = 0o755
		}

		entries = append(entries,
			entry{&tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeReg, Size: int64(len(content))}, content})
	}
}

// check refuses what no chart has. proper is unset for a name that leads out of the chart, or that was there before.
func check(h *tar.Header, name string, proper bool, count int) error {
	switch {
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("%.200q is no file", h.Name)
	case !proper:
		return fmt.Errorf("it has a file with the impossible name %.200q, or has it twice", h.Name)
	case h.Size > maxFile && path.Ext(name) != ".tgz" || count == maxEntries:
		return fmt.Errorf("%.200q has more than %d bytes, or there are more than %d files", h.Name, maxFile, maxEntries)
	}
	return nil
}

func write(entries []entry, w io.Writer) error {
	zip := gzip.NewWriter(w)
	out := tar.NewWriter(zip)
	for _, e := range entries {
		if err := out.WriteHeader(e.header); err != nil {
			return err
		}
		if _, err := out.Write(e.content); err != nil {
			return err
		}
	}

	if err := out.Close(); err != nil {
		return err
	}

	return zip.Close()
}
