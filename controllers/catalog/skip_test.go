package catalog

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
)

func TestWithout(t *testing.T) {
	t.Parallel()
	bad := []v1beta1.SkippedChart{
		{ChartVersion: "1.3.0", ChartDigest: "sha256:3"}, {ChartVersion: "1.2.0", ChartDigest: "sha256:2"},
	}
	one := ChartRef{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"}
	text := `chart web "1.x" of HelmRepository apps/charts`
	git := ChoiceOfRelease(release("a", "web", "", func(hr *v1beta1.HelmRelease) {
		hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	}))
	for _, tt := range []struct {
		name    string
		choice  ChartRef
		skipped []v1beta1.SkippedChart
		want    string
	}{
		{"nothing is skipped", ChoiceOfRelease(release("a", "web", "1.x")), nil, text},
		{"two versions, in their order", ChoiceOfRelease(release("a", "web", "1.x")), bad,
			text + " without 1.2.0 sha256:2, 1.3.0 sha256:3"},
		{"an exact version leaves no choice", ChoiceOfRelease(release("a", "web", "1.2.0")), bad,
			strings.Replace(text, "1.x", "1.2.0", 1)},
		{"a directory has one version", git, bad, git.String()},
		{"an OCIRepository stands for one chart", one, bad, "OCIRepository apps/web"},
	} {
		if got := tt.choice.Without(tt.skipped).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSkips(t *testing.T) {
	t.Parallel()
	choice := anyWeb.Without([]v1beta1.SkippedChart{
		{ChartVersion: "1.2.0", ChartDigest: "sha256:2"}, {ChartVersion: "1.3.0+b1", ChartDigest: "sha256:3"},
	})
	valued := choice.with([]string{"values-prod.yaml"}, false)
	for _, tt := range []struct {
		name        string
		choice      ChartRef
		tag, digest string
		want        bool
	}{
		{"the chart", choice, "1.2.0", "sha256:2", true},
		{"with a leading v", choice, "v1.2.0", "sha256:2", true},
		{"a tag for a build", choice, "1.3.0_b1", "sha256:3", true},
		{"published again", choice, "1.2.0", "sha256:9", false},
		{"without a digest in the index", choice, "1.2.0", "", true},
		{"with other values", valued, "1.2.0", "sha256:9", true},
		{"another version", choice, "1.2.1", "sha256:2", false},
		{"a choice that skips nothing", anyWeb, "1.2.0", "sha256:2", false},
	} {
		if got := tt.choice.skips(tt.tag, tt.digest); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// A release asks for the newest chart, and beside that for the newest of those that it does not skip, by an index and
// by a registry. The answer is another one as soon as a skipped version is published again.
func TestTheNewestThatIsNotSkipped(t *testing.T) {
	t.Parallel()
	archive := func(version, more string) []byte {
		content := "apiVersion: v2\nname: web\nversion: " + version + "\ndescription: " + more + "\n"
		chart, err := servers.BuildChart(map[string]string{"Chart.yaml": content})
		if err != nil {
			t.Fatal(err)
		}
		return chart
	}
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = server.Close(), registry.Close() })
	publish := func(version, more string) {
		if _, err := registry.PushChart(t.Context(), "charts", archive(version, more)); err != nil {
			t.Fatal(err)
		}
		server.Withdraw("web", version)
		if err := server.Add(archive(version, more)); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"1.0.0", "1.1.0", "1.2.0"} {
		publish(version, "first")
	}
	again := map[string]func() v1beta1.ChartRevision{}
	urls := map[string]string{"index": server.URL(), "registry": "oci://" + registry.Host() + "/charts"}
	for name, url := range urls {
		source := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name, UID: "u1"}}
		source.Spec.URL, source.Spec.Insecure = url, true
		if name == "registry" {
			source.Spec.Type = v1beta1.HelmRepositoryTypeOCI
		}
		hr := release("web", "web", "*", func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.SourceRef.Name = name })
		objects := newClient(t, source, hr)
		c := NewCatalog(objects, objects, newStore(t))
		newest := poll(t, c, source, hr)
		if newest.Version != "1.2.0" {
			t.Fatalf("%s: the newest is %s", name, newest)
		}
		skipping(hr, newest)
		if err := objects.Update(t.Context(), hr); err != nil {
			t.Fatal(err)
		}
		older := poll(t, c, source, hr)
		if older.Version != "1.1.0" {
			t.Errorf("%s: %s is taken instead of 1.2.0", name, older)
		}
		if now, err := c.Chart(t.Context(), ChoiceOfRelease(hr)); err != nil || now != newest {
			t.Errorf("%s: the newest is %s now (%v)", name, now, err)
		}
		for _, chart := range []v1beta1.ChartRevision{newest, older} {
			opened, err := c.Archive(t.Context(), c.ChoiceFor(t.Context(), hr, chart), chart, false)
			if err != nil {
				t.Fatalf("%s: the archive of %s: %v", name, chart, err)
			}
			_ = opened.Close()
		}
		if found := ReleasesOf(t.Context(), objects, ChoiceOfRelease(hr).Without(hr.Status.Skipped)); len(found) != 1 {
			t.Errorf("%s: %v follow the answer", name, found)
		}
		again[name] = func() v1beta1.ChartRevision { return poll(t, c, source, hr) }
	}
	publish("1.2.0", "second")
	for name, poll := range again {
		if found := poll(); found.Version != "1.2.0" {
			t.Errorf("%s: %s is taken instead of the other content of 1.2.0", name, found)
		}
	}
}

func skipping(hr *v1beta1.HelmRelease, chart v1beta1.ChartRevision) {
	hr.Status.Skipped = append(hr.Status.Skipped, v1beta1.SkippedChart{
		ChartVersion: chart.Version, ChartDigest: chart.Digest, Reason: "UpgradeFailed", Since: metav1.NewTime(now),
	})
}

// poll polls a source for all that is asked of it, and returns the chart that a release takes.
func poll(t *testing.T, c *Catalog, source *v1beta1.HelmRepository, hr *v1beta1.HelmRelease) v1beta1.ChartRevision {
	t.Helper()
	choices, err := ChoicesOf(c.objects)(t.Context(), keyOf(v1beta1.HelmRepositoryKind, source))
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(hr.Status.Skipped); len(choices) != want {
		t.Fatalf("%d choices, want %d: %v", len(choices), want, choices)
	}
	if found := c.Poll(t.Context(), source, choices); found.Err != nil {
		t.Fatal(found.Err)
	}
	chart, err := c.Chart(t.Context(), ChoiceOfRelease(hr).Without(hr.Status.Skipped))
	if err != nil {
		t.Fatal(err, sources.Reason(err))
	}
	return chart
}
