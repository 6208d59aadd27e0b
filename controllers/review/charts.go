package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/Masterminds/semver/v3"
	helmchart "helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/sources"
)

// chartCache keeps archives of charts. Those of exact versions stay from one run to the next, and are not asked for
// again.
type chartCache struct {
	// lasting is the directory of exact versions, passing that of this run.
	lasting, passing string

	mu    sync.Mutex
	found map[string]*cachedChart
}

// cachedChart is a chart that is being fetched, or was.
type cachedChart struct {
	once     sync.Once
	revision v1beta1.ChartRevision
	file     string
	err      error
}

func openCharts(lasting, passing string) (*chartCache, error) {
	lasting = filepath.Join(lasting, "charts")
	if err := errors.Join(os.MkdirAll(lasting, 0o700), os.MkdirAll(passing, 0o700)); err != nil {
		return nil, fmt.Errorf("prepare the cache of charts: %w", err)
	}
	return &chartCache{lasting: lasting, passing: passing, found: map[string]*cachedChart{}}, nil
}

// load returns the chart of a release.
func (c *chartCache) load(ctx context.Context, d *declared) (v1beta1.ChartRevision, *helmchart.Chart, error) {
	lookup := d.side.lookup
	choice, source, err := lookup.Origin(ctx, catalog.ChoiceOfRelease(d.HelmRelease))
	if err != nil {
		return v1beta1.ChartRevision{}, nil, err
	}

	key, err := d.side.chartKey(choice, source)
	if err != nil {
		return v1beta1.ChartRevision{}, nil, err
	}

	exact := isExact(choice, source)
	c.mu.Lock()
	if c.found[key] == nil {
		c.found[key] = &cachedChart{}
	}
	at := c.found[key]
	c.mu.Unlock()
	at.once.Do(func() { at.fetch(ctx, c, key, exact, fetching{lookup, choice}) })
	if at.err != nil {
		return v1beta1.ChartRevision{}, nil, at.err
	}

	archive, err := os.Open(at.file) // #nosec G304 -- its name is a digest
	if err != nil {
		return at.revision, nil, err
	}

	defer archive.Close()
	loaded, err := chart.Load(archive, at.revision)
	return at.revision, loaded, err
}

// keeps reports whether an earlier run has kept the chart of a choice.
func (c *chartCache) keeps(s *side, choice catalog.ChartRef, source v1beta1.Source) bool {
	key, err := s.chartKey(choice, source)
	if err != nil || !isExact(choice, source) {
		return false
	}
	_, err = os.Stat(filepath.Join(c.lasting, key+".tgz.json"))
	return err == nil
}

// chartKey identifies what a choice asks of a source. The same text gives the same chart on both sides, unless it comes
// from this repository.
func (s *side) chartKey(choice catalog.ChartRef, source v1beta1.Source) (string, error) {
	spec, err := json.Marshal(source)
	if err != nil {
		return "", err
	}

	own := ""
	if repository, is := source.(*v1beta1.GitRepository); is && s.isThis(repository) {
		own = s.name
	}

	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s", choice, spec, own, s.offline.KubeVersion()))
	return hex.EncodeToString(sum[:]), nil
}

// isExact reports whether a choice stands for one chart that does not change: an exact version, a digest or a commit.
func isExact(choice catalog.ChartRef, source v1beta1.Source) bool {
	switch source := source.(type) {
	case *v1beta1.HelmRepository:
		return isVersion(choice.Version)
	case *v1beta1.OCIRepository:
		ref := source.Spec.Reference
		return ref != nil && (ref.Digest != "" || ref.SemVer == "" && isVersion(ref.Tag))
	case *v1beta1.GitRepository:
		ref := source.Spec.Reference
		return ref != nil && ref.Commit != ""
	default:
		return false
	}
}

func isVersion(text string) bool {
	_, err := semver.StrictNewVersion(text)
	return err == nil
}

// fetching is how a chart is fetched.
type fetching struct {
	lookup *catalog.Lookup
	choice catalog.ChartRef
}

// fetch has the archive of a chart in the cache.
func (f *cachedChart) fetch(ctx context.Context, c *chartCache, key string, exact bool, from fetching) {
	dir := c.passing
	if exact {
		dir = c.lasting
	}

	f.file = filepath.Join(dir, key+".tgz")
	if exact && f.isKept() {
		return
	}
	if f.revision, f.err = from.lookup.Chart(ctx, from.choice); f.err != nil {
		return
	}

	archive, err := from.lookup.Open(ctx, from.choice, f.revision)
	if err != nil {
		f.err = err
		return
	}

	f.err = errors.Join(f.keep(archive), archive.Close())
}

// kept is what is written beside an archive.
type kept struct {
	Revision v1beta1.ChartRevision `json:"revision"`
	// Archive is the digest of the archive.
	Archive string `json:"archive"`
}

// maxKept bounds what is written beside an archive, in bytes.
const maxKept = 64 << 10

// isKept reports whether an earlier run has kept the chart, undamaged.
func (f *cachedChart) isKept() bool {
	text, err := os.Open(f.file + ".json") // #nosec G304 -- its name is a digest
	if err != nil {
		return false
	}

	defer text.Close()
	var has kept
	if err := json.NewDecoder(io.LimitReader(text, maxKept)).Decode(&has); err != nil {
		return false
	}

	archive, err := os.Open(f.file) // #nosec G304 -- its name is a digest
	if err != nil {
		return false
	}

	defer archive.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, archive); err != nil || has.Archive != digestText(sum.Sum(nil)) {
		return false
	}

	f.revision = has.Revision
	return true
}

func digestText(sum []byte) string { return sources.DigestPrefix + hex.EncodeToString(sum) }

// keep writes an archive, and then what it is: a run that is interrupted leaves nothing that another one would take.
func (f *cachedChart) keep(archive io.Reader) error {
	sum := sha256.New()
	if err := replace(f.file, io.TeeReader(archive, sum)); err != nil {
		return fmt.Errorf("keep the chart in the cache: %w", err)
	}

	text, err := json.Marshal(kept{Revision: f.revision, Archive: digestText(sum.Sum(nil))})
	if err != nil {
		return err
	}
	if err := replace(f.file+".json", bytes.NewReader(text)); err != nil {
		return fmt.Errorf("keep the chart in the cache: %w", err)
	}

	return nil
}

// replace writes a file whole or not at all.
func replace(name string, content io.Reader) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}

	_, err = io.Copy(file, content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}

	return nil
}
