package git

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart/loader"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/chartvalues"
	"fairlead.dev/fairlead/test/build"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

const chartYAML = "apiVersion: v2\nname: app\nversion: 1.2.3\nkubeVersion: '>=1.20.0-0'\nappVersion: \"7\"\n"

// tree makes an archive as Fetch does. "-> target" makes a link, "#!" an executable file.
func tree(t testing.TB, files map[string]string, leftOut ...string) []byte {
	t.Helper()
	return build.Archive(t, files, encodeLeftOut(leftOut))
}

func with(base map[string]string, more map[string]string) map[string]string {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

var repo = map[string]string{
	"README.md":                     "text",
	"charts/app/Chart.yaml":         chartYAML,
	"charts/app/values.yaml":        "a: 1\n",
	"charts/app/templates/cm.yaml":  "kind: ConfigMap\n",
	"charts/app-b/Chart.yaml":       strings.Replace(chartYAML, "app", "app-b", 1),
	"charts/other/values.yaml":      "a: 1\n",
	"shared/values.yaml":            "shared: 1\n",
	"shared/templates/_helpers.tpl": "{{ define \"x\" }}{{ end }}\n",
}

func packChart(t *testing.T, archive []byte, path string) (Chart, []byte) {
	t.Helper()
	var out bytes.Buffer
	c, err := PackChart(bytes.NewReader(archive), path, &out, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c, out.Bytes()
}

func TestPackChart(t *testing.T) {
	archive := tree(t, repo)
	var first Chart
	for i, path := range []string{"charts/app", "./charts/app/", "charts/../charts//app"} {
		c, packed := packChart(t, archive, path)
		if i == 0 {
			first = c
		}
		if c != first {
			t.Errorf("%s: got %+v, want %+v", path, c, first)
		}
		want := []string{
			"644 app/Chart.yaml " + chartYAML,
			"644 app/templates/cm.yaml kind: ConfigMap\n",
			"644 app/values.yaml a: 1\n",
		}
		if diff := cmp.Diff(want, list(t, packed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		loaded, err := loader.LoadArchive(bytes.NewReader(packed))
		if err != nil || loaded.Name() != "app" || len(loaded.Templates) != 1 {
			t.Errorf("helm loads %v, %v", loaded, err)
		}
	}
	want := Chart{ChartRevision: v1beta1.ChartRevision{Name: "app", Version: "1.2.3", Digest: first.Digest}, KubeVersion: ">=1.20.0-0", AppVersion: "7"}
	if first != want || !sources.IsDigest(first.Digest) {
		t.Errorf("got %+v", first)
	}
	// A reader that cannot seek is as good.
	c, err := PackChart(io.MultiReader(bytes.NewReader(archive)), "charts/app", io.Discard, Limits{})
	if err != nil || c != first {
		t.Errorf("without seeking: %+v, %v", c, err)
	}
}

func TestTheDigestIsThatOfTheDirectory(t *testing.T) {
	base, _ := packChart(t, tree(t, repo), "charts/app")
	tests := []struct {
		name   string
		change map[string]string
		same   bool
	}{
		{"another chart changes", map[string]string{"charts/app-b/values.yaml": "x: 1\n"}, true},
		{"a file beside it changes", map[string]string{"README.md": "other"}, true},
		{"an ignored file comes", map[string]string{"charts/app/templates/.swp": "x"}, true},
		{"a template changes", map[string]string{"charts/app/templates/cm.yaml": "kind: Secret\n"}, false},
		{"a file comes", map[string]string{"charts/app/crds/x.yaml": ""}, false},
		{"a file becomes executable", map[string]string{"charts/app/values.yaml": "#!x"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _ := packChart(t, tree(t, with(repo, test.change)), "charts/app")
			if (got.Digest == base.Digest) != test.same {
				t.Errorf("got %s, base %s", got.Digest, base.Digest)
			}
		})
	}
	moved, _ := packChart(t, tree(t, map[string]string{"Chart.yaml": chartYAML, "values.yaml": "a: 1\n", "templates/cm.yaml": "kind: ConfigMap\n"}), ".")
	if moved.Digest != base.Digest {
		t.Error("the digest depends on where the directory is")
	}
}

func TestPackChartFollowsLinksInsideTheRepository(t *testing.T) {
	files := with(repo, map[string]string{
		"charts/app/values.yaml":         "-> ../../shared/values.yaml",
		"charts/app/templates/shared":    "-> ../../../shared/templates",
		"charts/app/templates/cm.yaml":   "-> again",
		"charts/app/templates/again":     "-> real.yaml",
		"charts/app/templates/real.yaml": "kind: X\n",
		"current":                        "-> charts/app",
	})
	linked, packed := packChart(t, tree(t, files), "current")
	want := []string{
		"644 app/Chart.yaml " + chartYAML,
		"644 app/templates/again kind: X\n",
		"644 app/templates/cm.yaml kind: X\n",
		"644 app/templates/real.yaml kind: X\n",
		"644 app/templates/shared/_helpers.tpl {{ define \"x\" }}{{ end }}\n",
		"644 app/values.yaml shared: 1\n",
	}
	if diff := cmp.Diff(want, list(t, packed)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files["shared/values.yaml"] = "shared: 2\n"
	if changed, _ := packChart(t, tree(t, files), "current"); changed.Digest == linked.Digest {
		t.Error("what a link points at does not count")
	}
}

func TestPackChartRefuses(t *testing.T) {
	tests := []struct {
		name    string
		files   map[string]string
		leftOut []string
		path    string
		limits  Limits
		reason  string
		says    []string
	}{
		{name: "an absolute path", path: "/charts/app", reason: v1beta1.InvalidReferenceReason},
		{name: "a path that leads out", path: "charts/../../x", reason: v1beta1.InvalidReferenceReason},
		{name: "a directory that is not there", path: "chart/app", reason: v1beta1.NotFoundReason, says: []string{`no directory "chart/app"`, "charts/app, charts/app-b"}},
		{name: "a prefix of a directory", path: "charts/ap", reason: v1beta1.NotFoundReason, says: []string{`no directory "charts/ap"`}},
		{name: "a directory without a Chart.yaml", path: "charts/other", reason: v1beta1.NotFoundReason, says: []string{`"charts/other" has no Chart.yaml`}},
		{name: "the root when it is no chart", path: "", reason: v1beta1.NotFoundReason, says: []string{`"." has no Chart.yaml`}},
		{name: "a Chart.yaml that is no YAML", files: map[string]string{"charts/app/Chart.yaml": "a: b: c"}, reason: v1beta1.InvalidContentReason, says: []string{"Chart.yaml cannot be read"}},
		{name: "a Chart.yaml without a version", files: map[string]string{"charts/app/Chart.yaml": "apiVersion: v2\nname: app\n"}, reason: v1beta1.InvalidContentReason, says: []string{"version is required"}},
		{name: "a name with a slash", files: map[string]string{"charts/app/Chart.yaml": "apiVersion: v2\nname: ../app\nversion: 1.0.0\n"}, reason: v1beta1.InvalidContentReason, says: []string{"name"}},
		{name: "a link that was left out", leftOut: []string{"charts/app/templates/x"}, reason: v1beta1.InvalidContentReason, says: []string{"charts/app/templates/x leads out of the repository"}},
		{name: "a link that leads out", files: map[string]string{"charts/app/x": "-> ../../../etc/passwd"}, reason: v1beta1.InvalidContentReason, says: []string{"leads out of the repository"}},
		{name: "a link to nothing", files: map[string]string{"charts/app/x": "-> y"}, reason: v1beta1.InvalidContentReason, says: []string{"leads to nothing"}},
		{name: "a link to its own directory", files: map[string]string{"charts/app/x": "-> ."}, reason: v1beta1.InvalidContentReason, says: []string{"lead back to themselves"}},
		{name: "links that multiply", files: map[string]string{"charts/app/x": "-> ../../l", "l/a": "-> .", "l/b": "-> ."}, reason: v1beta1.InvalidContentReason},
		{name: "a double star", files: map[string]string{"charts/app/.helmignore": "**/x"}, reason: v1beta1.InvalidContentReason, says: []string{"double star"}},
		{name: "more files than allowed", limits: Limits{Files: 3}, reason: v1beta1.InvalidContentReason, says: []string{"more than the 3 files"}},
		{name: "a name that leads out", files: map[string]string{"../x": "x"}, reason: v1beta1.InvalidContentReason, says: []string{"impossible name"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.path == "" && test.reason != v1beta1.NotFoundReason {
				test.path = "charts/app"
			}
			_, err := PackChart(bytes.NewReader(tree(t, with(repo, test.files), test.leftOut...)), test.path, io.Discard, test.limits)
			e := check.Failure(t, err, test.reason, test.says...)
			if e.Retryable() == (test.reason == v1beta1.InvalidReferenceReason) {
				t.Errorf("retryable %v", e.Retryable())
			}
		})
	}
	// Links that were left out elsewhere do not matter.
	packChart(t, tree(t, repo, "charts/app-b/x", "charts/appx"), "charts/app")
}

func TestPackChartIsBounded(t *testing.T) {
	bomb := func(files map[string]string) []byte { return tree(t, with(repo, files)) }
	for name, archive := range map[string][]byte{
		"a file beside the chart":    bomb(map[string]string{"zeros": strings.Repeat("\x00", 4<<20)}),
		"a file of the chart":        bomb(map[string]string{"charts/app/zeros": strings.Repeat("\x00", 4<<20)}),
		"no archive":                 []byte("hello"),
		"an archive that is cut off": tree(t, repo)[:300],
		"nothing":                    nil,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := PackChart(bytes.NewReader(archive), "charts/app", io.Discard, Limits{Bytes: 1 << 20, Files: 100})
			check.Failure(t, err, v1beta1.InvalidContentReason)
		})
	}
	_, err := PackChart(bytes.NewReader(bomb(map[string]string{"charts/app/zeros": strings.Repeat("\x00", maxChartBytes)})), "charts/app", io.Discard, Limits{})
	check.Failure(t, err, v1beta1.InvalidContentReason, "that helm allows")
}

// TestIgnoreRulesAreHelms packs a directory with many rules and compares with what Helm loads.
func TestIgnoreRulesAreHelms(t *testing.T) {
	files := map[string]string{
		"Chart.yaml": chartYAML, "values.yaml": "a: 1\n", "a.txt": "a", "b.txt": "b", "dir/a.txt": "c", "dir/sub/b.txt": "d", "dir/sub/c.md": "e",
		"templates/x.yaml": "x", "templates/.hidden": "h", "templates/_h.tpl": "t", ".git-not/x": "x", "docs/README.md": "r", "docs/sub/README.md": "r", "crds/c.yaml": "c",
	}
	for _, rules := range []string{
		"", "# comment\n\n  *.txt  \n", "dir/\n", "dir\n", "/a.txt\n", "dir/*.txt\n", "dir/sub/*\n", "docs/\n*.md\n", "sub\n", "sub/\n",
		"/docs\n", "[ab].txt\n", "\ufeff*.md\r\n", "templates/*.yaml\n", "a?txt\n", "b.txt/\n",
	} {
		t.Run(fmt.Sprintf("%q", rules), func(t *testing.T) {
			dir := t.TempDir()
			all := with(files, map[string]string{".helmignore": rules})
			for name, content := range all {
				path := filepath.Join(dir, filepath.FromSlash(name))
				must(t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(t, os.WriteFile(path, []byte(content), 0o600))
			}
			loaded, err := loader.LoadDir(dir)
			must(t, err)
			var want []string
			for _, f := range loaded.Raw {
				want = append(want, f.Name)
			}
			slices.Sort(want)
			_, packed := packChart(t, tree(t, all), ".")
			fromPack, err := loader.LoadArchive(bytes.NewReader(packed))
			must(t, err)
			var got []string
			for _, f := range fromPack.Raw {
				got = append(got, f.Name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("helm and we differ (-helm +ours):\n%s", diff)
			}
		})
	}
}

func TestNegatedRulesLeaveOutWhatTheyDoNotMatch(t *testing.T) {
	rules, err := parseIgnore("!*.yaml\n")
	must(t, err)
	for name, want := range map[string]bool{"a.yaml": false, "a.txt": true, "dir/a.yaml": true} {
		if got := rules.ignores(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestPublishedChartsThroughGit(t *testing.T) {
	paths := servers.PublishedCharts(t)
	server := serve(t, servers.Options{})
	files := map[string]string{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		must(t, err)
		loaded, err := loader.LoadArchive(bytes.NewReader(raw))
		must(t, err)
		for _, f := range loaded.Raw {
			files[strings.TrimSuffix(filepath.Base(path), ".tgz")+"/"+f.Name] = string(f.Data)
		}
	}
	commit(t, server, "main", files)
	r := open(t, server, nil)
	rev, err := r.Resolve(t.Context(), Ref{Branch: "main"})
	must(t, err)
	archive := fetch(t, r, rev)
	digests := map[string]string{}
	for _, path := range paths {
		dir := strings.TrimSuffix(filepath.Base(path), ".tgz")
		c, packed := packChart(t, archive, dir)
		if c.Name+"-"+c.Version != dir {
			t.Errorf("%s: got %s", dir, c)
		}
		if _, err := loader.LoadArchive(bytes.NewReader(packed)); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		digests[dir] = c.Digest
	}
	commit(t, server, "main", map[string]string{"podinfo-6.9.0/values.yaml": "replicaCount: 3\n"})
	rev, err = r.Resolve(t.Context(), Ref{Branch: "main"})
	must(t, err)
	archive = fetch(t, r, rev)
	var changed []string
	for dir, before := range digests {
		if c, _ := packChart(t, archive, dir); c.Digest != before {
			changed = append(changed, dir)
		}
	}
	if diff := cmp.Diff([]string{"podinfo-6.9.0"}, changed); diff != "" {
		t.Errorf("changed charts (-want +got):\n%s", diff)
	}
}

// What values files merge to has a digest of its own, which does not depend on the rest of the chart.
func TestValuesFilesHaveADigest(t *testing.T) {
	t.Parallel()
	pack := func(changes map[string]string, names ...string) string {
		t.Helper()
		c, err := PackChartWith(bytes.NewReader(tree(t, with(repo, changes))), "charts/app", chartvalues.Files{Names: names}, io.Discard, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return c.ValuesDigest
	}
	files := []string{"charts/app/values.yaml", "shared/values.yaml"}
	base := pack(nil, files...)
	if base == "" || pack(nil) != "" {
		t.Errorf("with values files the digest is %q, without any %q", base, pack(nil))
	}
	if got := pack(map[string]string{"charts/app/templates/cm.yaml": "kind: Secret\n"}, files...); got != base {
		t.Error("another template changes it")
	}
	if got := pack(map[string]string{"shared/values.yaml": "shared: 2\n"}, files...); got == base {
		t.Error("another value does not change it")
	}
}
