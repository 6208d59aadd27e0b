package catalog

import (
	"io"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// gitOfCharts serves a repository with the chart web: version 1.0.0 has the tag v1, 2.0.0 is on dev, 3.0.0 on main.
func gitOfCharts(t *testing.T) (source *v1beta1.GitRepository, first, dev string) {
	t.Helper()
	server, err := servers.GitServer(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, err := server.Create("fleet")
	if err != nil {
		t.Fatal(err)
	}

	commit := func(branch, version string) string {
		files := map[string]string{"web/Chart.yaml": chartFiles(version)["Chart.yaml"]}
		sha, err := server.Commit("fleet", branch, files, version)
		if err != nil {
			t.Fatal(err)
		}
		return sha
	}
	first = commit("main", "1.0.0")
	if err := server.Tag("fleet", "v1", first, ""); err != nil {
		t.Fatal(err)
	}
	dev = commit("dev", "2.0.0")
	commit("main", "3.0.0")
	source = &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts", UID: "g1"}}
	source.Spec.URL = url
	source.Spec.Reference = &v1beta1.GitRepositoryRef{Branch: "main"}
	return source, first, dev
}

func TestResolveGit(t *testing.T) {
	t.Parallel()
	source, first, dev := gitOfCharts(t)
	pinned := pinnedTo(v1beta1.GitRepositoryKind, "web", "", "sha256:other", "main@sha1:"+first)
	objects := newClient(t, source, pinned)
	key := types.NamespacedName{Namespace: "apps", Name: "charts"}
	tests := []struct {
		name, ref, revision, version string
	}{
		{"a branch", "dev", "dev@sha1:" + dev, "2.0.0"},
		{"a tag", "v1", "v1@sha1:" + first, "1.0.0"},
		{"a commit", first, "sha1:" + first, "1.0.0"},
		{"a full name", "refs/heads/dev", "refs/heads/dev@sha1:" + dev, "2.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at, err := ResolveGit(t.Context(), objects, t.TempDir(), key, tt.ref)
			if err != nil || at.Revision != tt.revision || at.Key != key {
				t.Fatalf("it is %+v, %v, want %s", at, err, tt.revision)
			}

			for _, hr := range []*v1beta1.HelmRelease{
				ofChart(v1beta1.GitRepositoryKind, "web", ""), refersTo(v1beta1.HelmChartKind, "web-prod"),
			} {
				chart := types.NamespacedName{Namespace: "apps", Name: "web-prod"}
				got, err := chartVersion(t, at.Reader(objects, chart), hr)
				if err != nil || got != tt.version {
					t.Errorf("the chart of %s is %q, %v, want %s", ChoiceOfRelease(hr), got, err, tt.version)
				}
			}

			var tree []byte
			err = at.Fetch(t.Context(), objects, t.TempDir(), func(archive io.Reader) (err error) {
				tree, err = io.ReadAll(archive)
				return err
			})
			if err != nil || len(tree) == 0 {
				t.Errorf("the work tree has %d bytes, %v", len(tree), err)
			}
		})
	}
}

func TestResolveGitNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	source, first, _ := gitOfCharts(t)
	objects := newClient(t, source)
	key := types.NamespacedName{Namespace: "apps", Name: "charts"}
	tests := []struct {
		name, ref string
		texts     []string
	}{
		{
			"a branch that is not there", "dve",
			[]string{"GitRepository apps/charts: ", `no branch "dve"`, "dev, main", "it is no tag either"},
		},
		{"a commit that is cut short", first[:10], []string{"write all 40 digits of a commit"}},
		{"a reference that is not there", "refs/pull/1/head", []string{`no reference "refs/pull/1/head"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ResolveGit(t.Context(), objects, t.TempDir(), key, tt.ref)
			if err == nil || !IsNoGitRef(err) {
				t.Fatalf("error %v", err)
			}
			for _, text := range tt.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error lacks %q: %s", text, err)
				}
			}
		})
	}

	none := types.NamespacedName{Namespace: "apps", Name: "none"}
	_, err := ResolveGit(t.Context(), objects, t.TempDir(), none, "dev")
	if err == nil || IsNoGitRef(err) {
		t.Errorf("of a GitRepository that does not exist the error is %v", err)
	}
}
