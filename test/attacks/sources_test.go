package attacks

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
	"fairlead.dev/fairlead/test/servers"
)

// index is one of a repository that names a chart by its digest and does not have it.
func index(name, digest string) string {
	return fmt.Sprintf(
		"apiVersion: v1\nentries:\n  %[1]s:\n  - {apiVersion: v2, name: %[1]s, version: 1.0.0, digest: %q, urls: [charts/%[1]s-1.0.0.tgz]}\n",
		name, strings.TrimPrefix(digest, "sha256:"))
}

// What a source does not have is not taken from the cache, where another's source has put it.
func TestChartsOfOthers(t *testing.T) {
	names := func(name string) func(w http.ResponseWriter, r *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/index.yaml" {
				http.NotFound(w, r)
				return true
			}
			_, _ = w.Write([]byte(index(name, world.neighbor.digest)))
			return true
		}
	}
	play(t,
		attack{name: "an index names the digest of the neighbor's chart", intercept: names("shop"),
			objects: helmRelease("web", "shop", ""),
			refused: "HelmRelease/web", reasons: []string{v1beta1.ArtifactFailedReason}, says: []string{"shop"}},
		attack{name: "an index names the digest of the neighbor's chart by another name", intercept: names("mine"),
			objects: helmRelease("web", "mine", ""),
			refused: "HelmRelease/web", reasons: []string{v1beta1.ArtifactFailedReason}, says: []string{"mine"}},
	)
}

// Another's fetch of the same digest that hangs does not keep the neighbor waiting.
func TestAFetchThatHangs(t *testing.T) {
	files := hostile.Chart("fresh", "templates/a.yaml",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {message: fresh}\n")
	archive, err := servers.BuildChart(files)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Bool
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	play(t, attack{
		name: "an index names a chart whose archive never comes", heavy: true,
		intercept: func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/index.yaml" {
				_, _ = w.Write([]byte(index("fresh", digestOf(archive))))
				return true
			}
			asked.Store(true)
			select {
			case <-ended:
			case <-r.Context().Done():
			}
			return true
		},
		objects: helmRelease("web", "fresh", ""),
		absent: func(t *testing.T, s *scene) {
			eventually(t, "the archive is asked for", asked.Load)
			if err := world.neighbor.charts.Add(archive); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { world.neighbor.charts.Withdraw("fresh", "1.0.0") })
			manifests := object("HelmRepository", "fresh", "url: '$VICTIM_CHARTS', secretRef: {name: access}, interval: 10h") +
				"---\n" +
				object("HelmRelease", "fresh",
					"bake: 0s, chart: {spec: {chart: fresh, sourceRef: {kind: HelmRepository, name: fresh}}}")
			if err := world.neighbor.declare(t.Context(), s.text(manifests)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the neighbor's release of the same chart runs", func() bool {
				return messageOf(t.Context(),
					"fresh") == "fresh"
			})
			forget(t, v1beta1.HelmReleaseKind, "fresh")
			forget(t, v1beta1.HelmRepositoryKind, "fresh")
		},
	})
}

// What a proxy of the tenant's says of a host counts for the tenant alone. Each source has a proxy of its own: what one
// of them says counts for all sources behind it.
func TestAProxyThatAsksForPatience(t *testing.T) {
	git := impatient(t)
	play(t, attack{
		name: "a proxy asks a Git source to spare the neighbor's host", refused: "GitRepository/web",
		reasons: []string{v1beta1.FetchFailedReason}, says: []string{"429"},
		objects: git.secret() + object("GitRepository", "web", "url: '$VICTIM_CHARTS/x.git', proxySecretRef: {name: proxy}"),
		absent:  git.heardByTheTenant,
	})
	registry := impatient(t)
	host := strings.TrimPrefix(world.neighbor.charts.URL(), "http://")
	play(t, attack{
		name: "a proxy asks a registry's source to spare the neighbor's host", refused: "OCIRepository/web",
		reasons: []string{v1beta1.FetchFailedReason}, says: []string{"429"},
		objects: registry.secret() + object("OCIRepository", "web",
			"url: 'oci://"+host+"/x', insecure: true, proxySecretRef: {name: proxy}"),
		absent: registry.heardByTheTenant,
	})
}

// proxy is a tenant's that answers every request with 429 and asks for ten minutes of patience.
type proxy struct {
	url   string
	asked atomic.Int64
}

func impatient(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// secret is the manifest of the Secret proxy with the address.
func (p *proxy) secret() string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: proxy}\nstringData: {address: '" + p.url + "'}\n---\n"
}

func (p *proxy) heardByTheTenant(t *testing.T, s *scene) {
	t.Helper()
	eventually(t, "the proxy is asked", func() bool { return p.asked.Load() > 0 })
	sourcesAreServed(t, s)
}

// polls is how long polls are counted.
const polls = 5 * time.Second

// An interval is no way to occupy the controller or an upstream.
func TestIntervals(t *testing.T) {
	manifests := ""
	for i := range 60 {
		manifests += "---\n" +
			object("HelmRepository", fmt.Sprintf("often-%d", i), fmt.Sprintf("url: '$CHARTS/%d', interval: 1ms", i))
	}
	// Each source has a URL of its own: the controller polls a URL once for all that name it.
	all := func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.Path = "/index.yaml"
		return false
	}
	play(t,
		attack{name: "a source is polled every millisecond", charts: charts(mine()), heavy: true,
			objects: object("HelmRepository", "often", "url: '$CHARTS', interval: 1ms"), absent: polledSeldom(1)},
		attack{name: "sixty sources are polled every millisecond", charts: charts(mine()), intercept: all, heavy: true,
			objects: strings.TrimPrefix(manifests, "---\n"), absent: polledSeldom(60)},
		attack{name: "a Git repository is polled every millisecond", tree: map[string]string{"a.yaml": hostile.Config("a")},
			heavy:   true,
			objects: object("GitRepository", "often", "url: '$GIT', ref: {branch: main}, interval: 1ms"),
			absent: func(t *testing.T, _ *scene) {
				few(t, 1, func() int { return len(world.git.Seen()) })
			}},
	)
}

// polledSeldom checks that each source asks its upstream about once in ten seconds at most.
func polledSeldom(sources int) func(t *testing.T, s *scene) {
	return func(t *testing.T, s *scene) {
		t.Helper()
		few(t, sources, func() int { return len(s.charts.Seen()) })
	}
}

// few counts requests for a while. The bound is above what one poll in ten seconds comes to, with several requests
// for a poll of Git; a slow machine makes it fewer.
func few(t *testing.T, sources int, count func() int) {
	t.Helper()
	before, begin := count(), time.Now()
	time.Sleep(polls)
	seconds := time.Since(begin).Seconds()
	if asked := count() - before; float64(asked) > float64(sources)*(3+seconds/2) {
		t.Errorf("%d requests in %.1fs from %d sources", asked, seconds, sources)
	}
}

// The cache holds a share of each namespace, however many large artifacts one of them has.
func TestArtifactsThatFillTheCache(t *testing.T) {
	const each, count = 8 << 20, 12
	random := rand.NewChaCha8([32]byte{7})
	manifests := ""
	for i := range count {
		name := fmt.Sprintf("large-%d", i)
		content := make([]byte, each)
		_, _ = random.Read(content) // never fails
		if _, err := world.git.Create(name); err != nil {
			t.Fatal(err)
		}
		if _, err := world.git.Commit(name, "main", map[string]string{"large.bin": string(content)},
			"Add a file"); err != nil {
			t.Fatal(err)
		}
		manifests += "---\n" +
			object("GitRepository", name, "ref: {branch: main}, interval: 10h, url: '"+world.git.URL(name)+"'")
	}
	play(t, attack{
		name: "twelve sources have 8 MiB each", objects: strings.TrimPrefix(manifests, "---\n"), heavy: true,
		refused: "GitRepository/*", reasons: []string{v1beta1.BudgetExceededReason}, says: []string{"one namespace may use"},
		absent: func(t *testing.T, s *scene) {
			t.Helper()
			if size := cacheSize(t); size > cacheShare+neighborsPart {
				t.Errorf("the cache has %d MiB, more than the share of one namespace, %d MiB", size>>20, cacheShare>>20)
			}
			sourcesAreServed(t, s)
		},
	})
}

// cacheShare is what one namespace may have in the cache, in bytes, as the flag of the controller says. What the
// neighbor has is less than neighborsPart.
const (
	cacheShare    = 64 << 20
	neighborsPart = 1 << 20
)

// cacheSize is what the files of the cache come to.
func cacheSize(t *testing.T) int64 {
	t.Helper()
	var size int64
	_ = filepath.WalkDir(filepath.Join(world.dir, "cache"), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
