package servers

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"
)

// ChartOptions of a chart repository.
type ChartOptions struct {
	Options
	// NoDigests leaves the digests of the archives out of the index.
	NoDigests bool
}

// Charts is a chart repository: an index.yaml and the archives it names.
type Charts struct {
	*server
	noDigests bool

	content  sync.Mutex
	archives map[string][]byte // by path
	entries  map[string][]map[string]any
	broken   []byte
}

// ChartRepository starts a chart repository without charts.
func ChartRepository(o ChartOptions) (*Charts, error) {
	c := &Charts{noDigests: o.NoDigests, archives: map[string][]byte{}, entries: map[string][]map[string]any{}}
	var err error
	c.server, err = start(o.Options, true, http.HandlerFunc(c.serve))
	return c, err
}

// URL of the repository.
func (c *Charts) URL() string { return c.base() }

// Add publishes a chart archive.
func (c *Charts) Add(archive []byte) error {
	meta, err := metadata(archive)
	if err != nil {
		return err
	}
	raw, err := yaml.Marshal(meta)
	if err != nil {
		return err
	}
	entry := map[string]any{}
	if err := yaml.Unmarshal(raw, &entry); err != nil {
		return err
	}
	name := meta.Name + "-" + meta.Version + ".tgz"
	entry["urls"] = []string{"charts/" + name}
	entry["created"] = "2024-01-01T00:00:00Z"
	if !c.noDigests {
		sum := sha256.Sum256(archive)
		entry["digest"] = hex.EncodeToString(sum[:])
	}
	c.content.Lock()
	defer c.content.Unlock()
	c.archives["/charts/"+name] = archive
	c.entries[meta.Name] = append(c.entries[meta.Name], entry)
	return nil
}

// Publish adds a version whose archive need not be a chart. An empty digest is the right one.
func (c *Charts) Publish(name, version string, archive []byte, digest string) {
	if digest == "" {
		sum := sha256.Sum256(archive)
		digest = hex.EncodeToString(sum[:])
	}
	file := "charts/" + name + "-" + version + ".tgz"
	c.content.Lock()
	defer c.content.Unlock()
	c.archives["/"+file] = archive
	c.entries[name] = append(c.entries[name],
		map[string]any{"apiVersion": "v2", "name": name, "version": version, "digest": digest, "urls": []string{file}})
}

// AddProvenance publishes a provenance file beside the archive of a version; an empty one takes it away.
func (c *Charts) AddProvenance(name, version string, file []byte) {
	path := "/charts/" + name + "-" + version + ".tgz.prov"
	c.content.Lock()
	defer c.content.Unlock()
	if c.archives[path] = file; len(file) == 0 {
		delete(c.archives, path)
	}
}

// Change gives f the entry of a version in the index, as Chart.yaml has it with urls and digest, to make it wrong.
func (c *Charts) Change(name, version string, f func(entry map[string]any)) {
	c.content.Lock()
	defer c.content.Unlock()
	for _, entry := range c.entries[name] {
		if entry["version"] == version {
			f(entry)
		}
	}
}

// Withdraw takes a version out of the index.
func (c *Charts) Withdraw(name, version string) {
	c.content.Lock()
	defer c.content.Unlock()
	c.entries[name] = slices.DeleteFunc(c.entries[name], func(entry map[string]any) bool {
		return entry["version"] == version
	})
}

// Break serves these bytes instead of the index, until it is called with nil.
func (c *Charts) Break(index []byte) {
	c.content.Lock()
	defer c.content.Unlock()
	c.broken = index
}

// Index returns what is served as index.yaml.
func (c *Charts) Index() ([]byte, error) {
	c.content.Lock()
	defer c.content.Unlock()
	if c.broken != nil {
		return c.broken, nil
	}
	return yaml.Marshal(map[string]any{"apiVersion": "v1", "entries": c.entries, "generated": "2024-01-01T00:00:00Z"})
}

func (c *Charts) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/index.yaml" {
		c.serveIndex(w, r)
		return
	}
	c.content.Lock()
	archive, ok := c.archives[r.URL.Path]
	c.content.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	_, _ = w.Write(archive)
}

func (c *Charts) serveIndex(w http.ResponseWriter, r *http.Request) {
	index, err := c.Index()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(index)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", "text/yaml")
	_, _ = w.Write(index)
}

// BuildChart packs files, by their path in the chart, into a chart archive. Chart.yaml has to be among them. Equal
// files give equal bytes.
func BuildChart(files map[string]string) ([]byte, error) {
	meta := &chart.Metadata{}
	if err := yaml.Unmarshal([]byte(files["Chart.yaml"]), meta); err != nil {
		return nil, fmt.Errorf("reading Chart.yaml: %w", err)
	}
	if meta.Name == "" || meta.Version == "" {
		return nil, errors.New("reading Chart.yaml: it has no name or no version")
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: meta.Name + "/" + name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// PackChart packs a chart directory as it is, as BuildChart does.
func PackChart(dir string) ([]byte, error) {
	files, err := ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the chart directory: %w", err)
	}
	return BuildChart(files)
}

// ReadDir reads the files of a directory by their paths in it, which have slashes.
func ReadDir(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	return files, err
}

var versionLine = regexp.MustCompile(`(?m)^(version|appVersion):.*$`)

// ReadChart reads a chart directory and gives the chart, and its app, another version.
func ReadChart(dir, version string) (map[string]string, error) {
	files, err := ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the chart directory: %w", err)
	}
	files["Chart.yaml"] = versionLine.ReplaceAllStringFunc(files["Chart.yaml"], func(line string) string {
		return strings.SplitN(line, ":", 2)[0] + ": " + version
	})
	return files, nil
}

// metadata reads the Chart.yaml of an archive.
func metadata(archive []byte) (*chart.Metadata, error) {
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("reading the chart archive: %w", err)
	}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("looking for Chart.yaml in the archive: %w", err)
		}
		if strings.Count(h.Name, "/") != 1 || !strings.HasSuffix(h.Name, "/Chart.yaml") {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return nil, fmt.Errorf("reading Chart.yaml: %w", err)
		}
		meta := &chart.Metadata{}
		if err := yaml.Unmarshal(raw, meta); err != nil {
			return nil, fmt.Errorf("reading Chart.yaml: %w", err)
		}
		return meta, nil
	}
}
