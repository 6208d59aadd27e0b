package helmrepo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Entry is one version of a chart in an index.
type Entry struct {
	// Version holds the version as it is published, and the clusters it is made for.
	sources.Version
	// Name of the chart.
	Name string
	// Digest of the archive as sha256:hex, "" when the index has none.
	Digest string
	// URL of the archive as the index has it; it may be relative to the repository.
	URL string
	// AppVersion is the version of what the chart installs, for people.
	AppVersion string
}

// Index is what is kept of an index.yaml: a table of versions per chart. It never changes, so many goroutines may read
// it.
type Index struct {
	charts  map[string][]Entry
	skipped int
	memory  int64
}

// MaxIndexMemory bounds what a parsed index takes, in bytes: a document of short entries takes many times its size.
const MaxIndexMemory = 48 << 20

// entryBytes is what an entry takes beside its texts.
const entryBytes = 256

// Memory is about how many bytes the index takes.
func (i *Index) Memory() int64 { return i.memory }

// ParseIndex reads an index, YAML or JSON, of at most limit bytes (DefaultIndexLimit when limit is zero). Entries that
// cannot be used (no name, no URL, a version that Helm does not read, a second entry of one version) are left out and
// counted. A document that is too large, broken, or no index at all is a sources.Error with reason InvalidContent. The
// reader's own failures are StorageOperationFailed unless they are a sources.Error already.
func ParseIndex(r io.Reader, limit int64) (*Index, error) {
	if limit <= 0 {
		limit = DefaultIndexLimit
	}

	in := &input{r: transport.Limit(r, limit)}
	t := &table{charts: map[string][]Entry{}}
	buffered := bufio.NewReaderSize(in, 64<<10)
	err := t.read(buffered)
	if errors.Is(err, errUnusual) {
		t = &table{charts: map[string][]Entry{}}
		err = t.readWhole(in)
	}

	switch {
	case errors.Is(in.err, transport.ErrTooLarge):
		return nil, broken("the index has more than the %d bytes that are allowed", limit)
	case in.err != nil:
		if known := (*sources.Error)(nil); errors.As(in.err, &known) {
			return nil, known
		}
		return nil, sources.Fail(v1beta1.StorageFailedReason, in.err, "reading the index")
	case err != nil:
		return nil, err
	case t.full():
		return nil, broken("the index has so many entries that it takes more than the %d bytes of memory that are allowed",
			MaxIndexMemory)
	}

	return t.index(), nil
}

func broken(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, format, args...)
}

// Charts returns the names of all charts, sorted.
func (i *Index) Charts() []string { return slices.Sorted(maps.Keys(i.charts)) }

// Versions returns the versions of a chart, newest first, or nil. The caller must not change them.
func (i *Index) Versions(chart string) []Entry { return i.charts[chart] }

// Skipped is how many entries were left out because they cannot be used.
func (i *Index) Skipped() int { return i.skipped }

// Select chooses a version of a chart as sources.Select does. A chart that is not in the index is a sources.Error with
// reason NotFound.
func (i *Index) Select(chart string, c sources.VersionConstraint) (Entry, error) {
	entries, ok := i.charts[chart]
	if !ok {
		return Entry{}, sources.Fail(v1beta1.NotFoundReason, nil, "the index has no chart %q%s", chart, i.others())
	}

	versions := make([]sources.Version, len(entries))
	for n, e := range entries {
		versions[n] = e.Version
	}

	chosen, err := sources.Select(versions, c)
	if err != nil {
		return Entry{}, fmt.Errorf("choosing a version of the chart %s: %w", chart, err)
	}

	n := slices.IndexFunc(entries, func(e Entry) bool { return e.Tag == chosen.Tag })
	return entries[n], nil
}

func (i *Index) others() string {
	const shown = 5
	names := i.Charts()
	switch {
	case len(names) == 0:
		return ": it is empty"
	case len(names) > shown:
		return fmt.Sprintf(": it has %d others, among them %s", len(names), strings.Join(names[:shown], ", "))
	}
	return ": it has " + strings.Join(names, ", ")
}

// slowLimit is the size up to which an unusual document is read in one piece, which costs many times its size.
const slowLimit = 4 << 20

// input reads the document, remembers its beginning in case it has to be read again, and keeps read failures apart from
// those of the parsers.
type input struct {
	r    io.Reader
	head bytes.Buffer
	err  error
}

func (in *input) Read(p []byte) (int, error) {
	n, err := in.r.Read(p)
	if room := slowLimit + 1 - in.head.Len(); room > 0 {
		in.head.Write(p[:min(n, room)])
	}
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// whole returns the document when it is small enough to be read in one piece.
func (in *input) whole() ([]byte, bool) {
	_, err := io.CopyN(io.Discard, in, int64(max(slowLimit+1-in.head.Len(), 0)))
	return in.head.Bytes(), errors.Is(err, io.EOF) && in.head.Len() <= slowLimit
}

// rawEntry is the part of a chart version that is read.
type rawEntry struct {
	Name        string   `json:"name" yaml:"name"`
	Version     string   `json:"version" yaml:"version"`
	Digest      string   `json:"digest" yaml:"digest"`
	KubeVersion string   `json:"kubeVersion" yaml:"kubeVersion"`
	AppVersion  string   `json:"appVersion" yaml:"appVersion"`
	Created     string   `json:"created" yaml:"created"`
	URLs        []string `json:"urls" yaml:"urls"`
}

// table collects entries while a document is read.
type table struct {
	charts  map[string][]Entry
	skipped int
	memory  int64
}

// full reports whether no more is taken: the document cannot be kept.
func (t *table) full() bool { return t.memory > MaxIndexMemory }

// chart makes a chart known even when none of its entries can be used.
func (t *table) chart(name string) {
	if _, ok := t.charts[name]; !ok && !t.full() {
		t.memory += entryBytes + int64(len(name))
		t.charts[name] = nil
	}
}

func (t *table) add(chart string, raw rawEntry) {
	version, ok := sources.ParseEntry(raw.Version)
	if t.full() {
		return
	}

	if !ok || chart == "" || raw.Name == "" || strings.ContainsAny(raw.Name, "/\\") {
		t.skipped++
		return
	}

	e := Entry{Version: version, Name: raw.Name, Digest: digestOf(raw.Digest), AppVersion: raw.AppVersion}
	e.KubeVersion = raw.KubeVersion
	if created, err := time.Parse(time.RFC3339, raw.Created); err == nil {
		e.Created = created.UTC()
	}
	if e.Name == chart {
		e.Name = chart // one string for all versions
	}

	if i := slices.IndexFunc(raw.URLs, func(u string) bool { return u != "" }); i >= 0 {
		e.URL = raw.URLs[i]
	} else {
		t.skipped++
		return
	}

	t.memory += entryBytes + int64(len(e.Tag)+len(e.KubeVersion)+len(e.Digest)+len(e.URL)+len(e.AppVersion))
	t.charts[chart] = append(t.charts[chart], e)
}

// digestOf reads a digest with or without its algorithm; one that is not SHA-256 counts as none.
func digestOf(s string) string {
	s = sources.DigestPrefix + strings.TrimPrefix(strings.ToLower(s), sources.DigestPrefix)
	if !sources.IsDigest(s) {
		return ""
	}
	return s
}

func (t *table) index() *Index {
	for chart, entries := range t.charts {
		known := make(map[string]bool, len(entries))
		unique := slices.DeleteFunc(entries, func(e Entry) bool {
			twice := known[e.Tag]
			known[e.Tag] = true
			return twice
		})
		slices.SortStableFunc(unique, func(a, b Entry) int { return sources.NewestFirst(a.Version, b.Version) })
		t.skipped += len(entries) - len(unique)
		t.charts[chart] = slices.Clip(unique)
	}
	return &Index{charts: t.charts, skipped: t.skipped, memory: t.memory}
}
