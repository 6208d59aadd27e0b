package git

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

// holds reads the files of an archive.
func holds(t *testing.T, content []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(content))
	must(t, err)
	found := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		if _, twice := found[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		found[h.Name] = string(text) + h.Linkname
	}
}

func namesIn(t *testing.T, content []byte) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(holds(t, content)))
}

func TestContentOfAnArchive(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{})
	sha := commit(t, server, "main", map[string]string{
		"apps/a.yaml": "a", "apps/logo.png": "x", "apps/sub/b.yaml": "b", "infra/c.yaml": "c", "infra-two/d.yaml": "d",
		".gitignore": "x",
		"root.yaml":  "r", "infra/.sourceignore": "*.txt\n", "infra/e.txt": "e", "apps/e.txt": "e",
	})
	own := "*.yaml\n!root.yaml\n"
	for _, tt := range []struct {
		name    string
		content Content
		want    []string
	}{
		{
			"the usual", Content{},
			[]string{
				"apps/a.yaml", "apps/e.txt", "apps/sub/b.yaml", "infra-two/d.yaml", "infra/.sourceignore", "infra/c.yaml",
				"root.yaml",
			},
		},
		{
			"patterns of the spec", Content{Ignore: &own},
			[]string{"apps/e.txt", "apps/logo.png", "infra/.sourceignore", "infra/e.txt", "root.yaml"},
		},
		{
			"some directories", Content{Directories: []string{"apps/sub", "infra"}},
			[]string{"apps/sub/b.yaml", "infra/.sourceignore", "infra/c.yaml"},
		},
		{"a directory that is not there", Content{Directories: []string{"gone"}}, nil},
		{
			"the root", Content{Directories: []string{""}, Ignore: &own},
			[]string{"apps/e.txt", "apps/logo.png", "infra/.sourceignore", "infra/e.txt", "root.yaml"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := open(t, server, func(o *Options) { o.Content = tt.content })
			if diff := cmp.Diff(tt.want, namesIn(t, fetch(t, r, Revision{"main", sha}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Directories([]string{"apps", "../other"}); err == nil {
		t.Error("a directory outside of the tree is accepted")
	}
	if got, err := Directories([]string{"/apps/", "./infra", "."}); err != nil ||
		!slices.Equal(got, []string{"apps", "infra", ""}) {
		t.Errorf("%q, %v", got, err)
	}
}

// withModule adds a submodule to the newest commit of main.
func withModule(t *testing.T, server *servers.Git, at, url, sha string) string {
	t.Helper()
	commit(t, server, "main",
		map[string]string{".gitmodules": "[submodule \"x\"]\n\tpath = " + at + "\n\turl = " + url + "\n"})
	out, err := server.CommitFiles(repository, "main", map[string]servers.File{at: {Content: sha, Module: true}},
		"a submodule")
	must(t, err)
	return out
}

func TestSubmodules(t *testing.T) {
	t.Parallel()
	server := serve(t, servers.Options{Username: "u", Password: "hunter2"})
	commit(t, server, "main", map[string]string{"a.yaml": "a"})
	_, err := server.Create("team/library")
	must(t, err)
	library, err := server.Commit("team/library", "main",
		map[string]string{"lib.yaml": "one", "deep/b.yaml": "b", "logo.png": "x"}, "change")
	must(t, err)
	_, err = server.Commit("team/library", "main", map[string]string{"lib.yaml": "two"}, "later")
	must(t, err)
	signIn := func(o *Options) {
		o.Credentials.Username, o.Credentials.Password, o.Content.Submodules = "u", "hunter2", true
	}
	sha := withModule(t, server, "vendor/library", "../library.git", library)
	got := holds(t, fetch(t, open(t, server, signIn), Revision{"main", sha}))
	want := map[string]string{"a.yaml": "a", "vendor/library/lib.yaml": "one", "vendor/library/deep/b.yaml": "b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	without := open(t, server, func(o *Options) { signIn(o); o.Content.Submodules = false })
	if got := namesIn(t, fetch(t, without, Revision{"main", sha})); !slices.Equal(got, []string{"a.yaml"}) {
		t.Errorf("without submodules: %q", got)
	}

	// Another host does not get the credentials.
	other := serve(t, servers.Options{Intercept: refuseCredentials(t)})
	theirs := commit(t, other, "main", map[string]string{"theirs.yaml": "x"})
	sha = withModule(t, server, "vendor/library", other.URL(repository), theirs)
	if got := holds(t,
		fetch(t, open(t, server, signIn), Revision{"main", sha})); got["vendor/library/theirs.yaml"] != "x" {
		t.Errorf("a submodule of another host: %v", got)
	}

	for name, url := range map[string]string{
		"a file": "file:///etc", "a metadata address": "http://169.254.169.254/x.git", "a program": "ext::sh -c true",
	} {
		sha := withModule(t, server, "vendor/library", url, library)
		_, err := open(t, server, signIn).Fetch(t.Context(), Revision{"main", sha}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), `submodule "vendor/library"`) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	sha = withModule(t, server, "vendor/library", "../library.git", strings.Repeat("0", 39)+"1")
	_, err = open(t, server, signIn).Fetch(t.Context(), Revision{"main", sha}, io.Discard)
	check.Failure(t, err, v1beta1.NotFoundReason, "no branch of the repository has it")
}

// refuseCredentials fails the test when a request signs in.
func refuseCredentials(t *testing.T) func(http.ResponseWriter, *http.Request) bool {
	t.Helper()
	return func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s signs in at another host", r.Method, r.URL.Path)
		}
		return false
	}
}

// archived makes an archive of files.
func archived(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(files[name]))}))
		_, err := io.WriteString(w, files[name])
		must(t, err)
	}
	must(t, w.Close())
	must(t, zip.Close())
	return out.Bytes()
}

func TestMerge(t *testing.T) {
	t.Parallel()
	base := archived(t, map[string]string{"a.yaml": "a", "shared/x.yaml": "of the base", "shared/y.yaml": "y"})
	other := archived(t,
		map[string]string{"deploy/x.yaml": "of the other", "deploy/sub/z.yaml": "z", "unrelated.yaml": "u"})
	third := archived(t, map[string]string{"x.yaml": "of the third"})
	part := func(content []byte, from, to string) Part {
		p, err := NewPart(bytes.NewReader(content), from, to)
		must(t, err)
		return p
	}
	for _, tt := range []struct {
		name  string
		parts []Part
		want  map[string]string
	}{
		{"a directory of another", []Part{part(other, "deploy", "shared")},
			map[string]string{"a.yaml": "a", "shared/x.yaml": "of the other", "shared/y.yaml": "y", "shared/sub/z.yaml": "z"}},
		{"the last one counts", []Part{part(other, "./deploy", "/shared"), part(third, "", "shared")},
			map[string]string{"a.yaml": "a", "shared/x.yaml": "of the third", "shared/y.yaml": "y", "shared/sub/z.yaml": "z"}},
		{"all of another at the root", []Part{part(third, "", ".")},
			map[string]string{"a.yaml": "a", "shared/x.yaml": "of the base", "shared/y.yaml": "y", "x.yaml": "of the third"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var once, twice bytes.Buffer
			must(t, Merge(bytes.NewReader(base), tt.parts, &once, Limits{}))
			must(t, Merge(bytes.NewReader(base), tt.parts, &twice, Limits{}))
			if diff := cmp.Diff(tt.want, holds(t, once.Bytes())); diff != "" || !bytes.Equal(once.Bytes(), twice.Bytes()) {
				t.Errorf("equal %v (-want +got):\n%s", bytes.Equal(once.Bytes(), twice.Bytes()), diff)
			}
		})
	}
	check.Failure(t, Merge(bytes.NewReader(base), []Part{part(other, "gone", "x")}, io.Discard, Limits{}),
		v1beta1.NotFoundReason, `nothing at "gone"`)
	check.Failure(t, Merge(bytes.NewReader(base), []Part{part(other, "", "x")}, io.Discard, Limits{Files: 4}),
		v1beta1.InvalidContentReason, "more than the 4 files")
	check.Failure(t, Merge(bytes.NewReader(base), []Part{part(other, "", "x")}, io.Discard, Limits{Bytes: 20}),
		v1beta1.InvalidContentReason, "more than the 20 bytes")
	if _, err := NewPart(bytes.NewReader(base), "..", ""); err == nil {
		t.Error("a path out of the tree is accepted")
	}
}
