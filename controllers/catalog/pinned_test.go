package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
	"fairlead.dev/fairlead/test/servers"
)

func chartFiles(version string, more ...string) map[string]string {
	files := map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: " + version + "\n"}
	for _, content := range more {
		files["NOTES"] = content
	}
	return files
}

func archiveOf(t *testing.T, version string, more ...string) []byte {
	t.Helper()
	archive, err := servers.BuildChart(chartFiles(version, more...))
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// pinnedTo is a HelmChart that wants one chart of the repository charts.
func pinnedTo(kind, path, version, digest, origin string) *v1beta1.HelmChart {
	hc := &v1beta1.HelmChart{}
	hc.Namespace, hc.Name, hc.UID, hc.Generation = "apps", "web-prod", "c1", 1
	hc.Spec = v1beta1.HelmChartSpec{
		Chart: path, Version: version, Digest: digest, Origin: origin,
		SourceRef: v1beta1.LocalSourceReference{Kind: kind, Name: "charts"},
	}
	return hc
}

// take polls the source of a HelmChart and then the HelmChart, as the controllers do.
func take(t *testing.T, c *Catalog, source v1beta1.Source, hc *v1beta1.HelmChart) Polled {
	t.Helper()
	if found := c.Poll(t.Context(), source, []ChartRef{ChoiceOfChart(hc)}); found.Err != nil {
		t.Fatal(found.Err)
	}
	return c.Poll(t.Context(), hc, nil)
}

// A chart of an index that is pinned by its digest is that chart or none. What upstream has taken away, or published
// again with other content, is kept as long as the cache or its origin has it.
func TestAPinnedChartOfAnIndex(t *testing.T) {
	t.Parallel()
	one := archiveOf(t, "1.0.0")
	digest := digestOf(one)
	for _, tt := range []struct {
		name string
		// change is what happens upstream before the HelmChart is polled with an empty cache, later what happens after.
		change, later func(*servers.Charts)
		origin        string
		reason, text  string // of the failure
		note          string // of the success
		// indexed needs digests in the index: without them an archive that was fetched is not looked at again.
		indexed bool
	}{
		{name: "upstream has it", change: func(*servers.Charts) {}},
		{name: "another content is refused", change: republish(t), reason: v1beta1.DigestMismatchReason,
			text: "upstream has 1.0.0 with the digest sha256:"},
		{name: "its version is gone", change: withdraw, reason: v1beta1.NoMatchReason, text: "no version matches"},
		{name: "its version is gone, and its archive is not", change: withdraw, origin: "charts/web-1.0.0.tgz",
			note: "; it stays, and upstream no longer offers it: "},
		{name: "its archive has other content", change: republish(t), origin: "charts/web-1.0.0.tgz",
			reason: v1beta1.DigestMismatchReason, text: "the cache does not have it, and its archive: "},
		{name: "its version goes later", change: func(*servers.Charts) {}, later: withdraw, note: "; it stays"},
		{name: "it is published again later", change: func(*servers.Charts) {}, later: republish(t),
			note: "; it stays, and upstream no longer offers it: ", indexed: true},
	} {
		for _, noDigests := range []bool{false, true} {
			if noDigests && tt.indexed {
				continue
			}
			t.Run(tt.name+map[bool]string{true: ", without digests in the index"}[noDigests], func(t *testing.T) {
				t.Parallel()
				server, err := servers.ChartRepository(servers.ChartOptions{NoDigests: noDigests})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = server.Close() })
				for _, archive := range [][]byte{one, archiveOf(t, "1.1.0")} {
					if err := server.Add(archive); err != nil {
						t.Fatal(err)
					}
				}
				tt.change(server)
				source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
				hc := pinnedTo(v1beta1.HelmRepositoryKind, "web", "1.0.0", digest, tt.origin)
				c := newCatalog(t, source, hc)
				got := take(t, c, source, hc)
				if tt.later != nil {
					tt.later(server)
					got = take(t, c, source, hc)
				}
				checkTaken(t, got, digest, tt.reason, tt.text, tt.note)
			})
		}
	}
}

// A chart that was chosen before stays when the cluster no longer fits it.
func TestAPinnedChartDoesNotHaveToFitTheCluster(t *testing.T) {
	t.Parallel()
	archive, err := servers.BuildChart(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: <1.20.0\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Add(archive); err != nil {
		t.Fatal(err)
	}
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	hc := pinnedTo(v1beta1.HelmRepositoryKind, "web", "1.0.0", digestOf(archive), "")
	c := newCatalog(t, source, hc)
	c.SetKubeVersion(func(context.Context) (string, error) { return "v1.37.0", nil })
	checkTaken(t, take(t, c, source, hc), digestOf(archive), "", "", "")
	hc.Spec.Digest = ""
	if found := c.Poll(t.Context(), source, []ChartRef{ChoiceOfChart(hc)}); found.Err != nil {
		t.Fatal(found.Err)
	}
	if got := pickOf(c, ChoiceOfChart(hc)); sources.Reason(got.err) != v1beta1.NoMatchReason {
		t.Errorf("without a pin it is %v, %v", got.Revision, got.err)
	}
}

// pickOf is the answer to a choice, as the last poll found it.
func pickOf(c *Catalog, choice ChartRef) resolved {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shelves[choice.Source()].Picks[choice.String()]
}

func digestOf(archive []byte) string {
	sum := sha256.Sum256(archive)
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

func withdraw(c *servers.Charts) { c.Withdraw("web", "1.0.0") }

func republish(t *testing.T) func(*servers.Charts) {
	other := archiveOf(t, "1.0.0", "other content")
	return func(c *servers.Charts) {
		withdraw(c)
		if err := c.Add(other); err != nil {
			t.Error(err)
		}
	}
}

func checkTaken(t *testing.T, got Polled, digest, reason, text, note string) {
	t.Helper()
	if reason != "" {
		if got.Err == nil || sources.Reason(got.Err) != reason || !strings.Contains(got.Err.Error(), text) {
			t.Errorf("the error is %v, want %s: %s", got.Err, reason, text)
		}
		return
	}
	if got.Err != nil || got.Chart.Digest != digest || got.Chart.Version != "1.0.0" {
		t.Fatalf("got %v, %v, want %s", got.Chart, got.Err, digest)
	}
	if !strings.Contains(got.Message, note) || (note == "") != !strings.Contains(got.Message, "; it stays") {
		t.Errorf("it says %q, want %q", got.Message, note)
	}
}

// A chart in Git that is pinned is packed from the present tree, from its commit when that has another, or kept. One
// without its commit is refused.
func TestAPinnedChartOfGit(t *testing.T) {
	t.Parallel()
	server, err := servers.GitServer(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, err := server.Create("fleet")
	if err != nil {
		t.Fatal(err)
	}
	commit := func(files map[string]string) string {
		tree := map[string]string{"README.md": "the fleet"}
		for name, content := range files {
			tree["web/"+name] = content
		}
		sha, err := server.Commit("fleet", "main", tree, "change")
		if err != nil {
			t.Fatal(err)
		}
		return "main@sha1:" + sha
	}
	source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "g1"}}
	source.Spec.URL, source.Spec.Reference = url, &v1beta1.GitRepositoryRef{Branch: "main"}

	any := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web"}
	first := commit(chartFiles("1.0.0"))
	origins := newCatalog(t, source)
	if found := origins.Poll(t.Context(), source, []ChartRef{any}); found.Err != nil {
		t.Fatal(found.Err)
	}
	chart, err := origins.Chart(t.Context(), any)
	if got := origins.Origin(t.Context(), any, chart); err != nil || got != first {
		t.Fatalf("the origin is %s, want %s, %v", got, first, err)
	}

	steps := []struct {
		name, origin, reason, text string
		files                      map[string]string
	}{
		{name: "the present tree has it", files: map[string]string{}},
		{name: "the present tree has another", files: chartFiles("1.0.0", "other content"), origin: first},
		{name: "the present tree has another, and its commit is not known", files: map[string]string{},
			reason: v1beta1.DigestMismatchReason, text: "upstream has 1.0.0 with the digest"},
		{name: "its directory is gone", files: map[string]string{"Chart.yaml": "", "NOTES": ""}, origin: first},
		{name: "its commit has another", files: map[string]string{}, origin: commit(chartFiles("1.0.0", "third")),
			reason: v1beta1.DigestMismatchReason, text: "upstream has 1.0.0 with the digest"},
	}
	// The last commit above was made first: bring the directory back to what the first step needs.
	if _, err := server.Commit("fleet", "main", map[string]string{"web/NOTES": ""}, "change"); err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		if len(step.files) > 0 {
			commit(step.files)
		}
		hc := pinnedTo(v1beta1.GitRepositoryKind, "web", "1.0.0", chart.Digest, step.origin)
		got := take(t, newCatalog(t, source, hc), source, hc) // with an empty cache
		t.Log(step.name)
		checkTaken(t, got, chart.Digest, step.reason, step.text, "")
	}
}

// The archive of a pinned chart that the cache has lost is packed from its commit again.
func TestThePinnedArchiveIsFetchedAgain(t *testing.T) {
	t.Parallel()
	server, err := servers.GitServer(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, err := server.Create("fleet")
	if err != nil {
		t.Fatal(err)
	}
	chartAt := func(version string) {
		t.Helper()
		files := map[string]string{"web/Chart.yaml": chartFiles(version)["Chart.yaml"]}
		if _, err := server.Commit("fleet", "main", files, "change"); err != nil {
			t.Fatal(err)
		}
	}
	chartAt("1.0.0")
	source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "g1"}}
	source.Spec.URL, source.Spec.Reference = url, &v1beta1.GitRepositoryRef{Branch: "main"}
	any := ChartRef{Kind: v1beta1.GitRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web"}
	c := newCatalog(t, source)
	if found := c.Poll(t.Context(), source, []ChartRef{any}); found.Err != nil {
		t.Fatal(found.Err)
	}
	chart, err := c.Chart(t.Context(), any)
	if err != nil {
		t.Fatal(err)
	}
	hc := pinnedTo(v1beta1.GitRepositoryKind, "web", "1.0.0", chart.Digest, c.Origin(t.Context(), any, chart))
	chartAt("2.0.0")
	c = newCatalog(t, source, hc)
	if got := take(t, c, source, hc); got.Err != nil {
		t.Fatal(got.Err)
	}
	if removed, _, err := c.store.Collect(map[store.Claim]bool{}, now.AddDate(100, 0, 0)); err != nil || removed == 0 {
		t.Fatalf("%d archives were removed, %v", removed, err)
	}
	archive, err := c.Archive(t.Context(), ChoiceOfChart(hc), chart, false)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if _, err := io.Copy(io.Discard, archive); err != nil {
		t.Error(err)
	}
}

// A chart of a registry is pinned by the digest of its manifest, not by what its tag points to now. Its version counts,
// too.
func TestAPinnedChartOfARegistry(t *testing.T) {
	t.Parallel()
	registry, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	digest, err := registry.PushChart(t.Context(), "charts", archiveOf(t, "1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.PushChart(t.Context(), "charts", archiveOf(t, "1.0.0", "other content")); err != nil {
		t.Fatal(err)
	}
	source := repository(func(r *v1beta1.HelmRepository) {
		r.Spec.URL, r.Spec.Type = "oci://"+registry.Host()+"/charts", v1beta1.HelmRepositoryTypeOCI
		r.Spec.Insecure = true
	})
	for _, tt := range []struct{ name, version, digest, reason, text string }{
		{"the digest has it", "1.0.0", digest, "", ""},
		{"it is of another version", "1.1.0", digest, v1beta1.NoMatchReason, "no version matches"},
		{"nothing has the digest", "1.0.0", digest1, v1beta1.NotFoundReason, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hc := pinnedTo(v1beta1.HelmRepositoryKind, "web", tt.version, tt.digest, "")
			c := newCatalog(t, source, hc)
			c.Poll(t.Context(), source, []ChartRef{ChoiceOfChart(hc)})
			checkTaken(t, c.Poll(t.Context(), hc, nil), tt.digest, tt.reason, tt.text, "")
		})
	}
}
