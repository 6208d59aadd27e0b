package git

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/test/servers"
)

func workTree(t *testing.T, files map[string]string) (*servers.WorkTree, string) {
	t.Helper()
	tree, err := servers.NewWorkTree(t.TempDir(), "git@github.com:acme/fleet.git")
	must(t, err)
	return tree, committed(t, tree, files)
}

func committed(t *testing.T, tree *servers.WorkTree, files map[string]string) string {
	t.Helper()
	must(t, tree.Write(files))
	commit, err := tree.Commit("a change")
	must(t, err)
	return commit
}

func checkout(t *testing.T, tree *servers.WorkTree) *Checkout {
	t.Helper()
	c, err := OpenCheckout(tree.Dir)
	must(t, err)
	return c
}

func filesIn(t *testing.T, tree *LocalTree, content Content) []string {
	t.Helper()
	var out bytes.Buffer
	must(t, tree.Write(t.Context(), content, &out))
	return list(t, out.Bytes())
}

func TestTreesOfACheckout(t *testing.T) {
	t.Parallel()
	tree, first := workTree(t, map[string]string{
		"a/b": "b", "a/c": "c", ".gitignore": "*.tmp\n/out/\n", "gone": "1", ".sourceignore": "secret.txt\n",
		"secret.txt": "s",
	})
	// Git tracks what was added by force, although it is ignored.
	must(t, tree.Write(map[string]string{"out/forced": "f"}))
	repository, err := gogit.PlainOpen(tree.Dir)
	must(t, err)
	files, err := repository.Worktree()
	must(t, err)
	must(t, files.AddWithOptions(&gogit.AddOptions{Path: "out/forced", SkipStatus: true}))
	must(t, tree.Write(map[string]string{
		"a/b": "changed", "new": "2", "x.tmp": "ignored", "out/y": "ignored", "gone": "", "large": strings.Repeat("x", 2<<20),
	}))
	must(t, os.Symlink("a/b", filepath.Join(tree.Dir, "link")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(tree.Dir, "out-of-here")))
	c := checkout(t, tree)
	before, err := c.At(t.Context(), first)
	must(t, err)
	after, err := c.WorkTree(t.Context())
	must(t, err)
	want := []string{
		"644 .sourceignore secret.txt\n", "644 a/b b", "644 a/c c", "644 gone 1",
	}
	if diff := cmp.Diff(want, filesIn(t, before, Content{})); diff != "" {
		t.Errorf("the commit (-want +got):\n%s", diff)
	}
	want = []string{
		"644 .sourceignore secret.txt\n", "644 a/b changed", "644 a/c c", "777 link a/b",
		"644 new 2", "644 out/forced f",
	}
	if diff := cmp.Diff(want, filesIn(t, after, Content{})); diff != "" {
		t.Errorf("the work tree (-want +got):\n%s", diff)
	}
	nothing := "\n"
	if got := filesIn(t, after, Content{Ignore: &nothing, Directories: []string{"a"}}); len(got) != 2 {
		t.Errorf("of the directory: %q", got)
	}
	for path, same := range map[string]bool{"a/c": true, "a/b": false, "a": false, "gone": false, "": false, "nowhere": true} {
		was, err := before.Digest(path)
		must(t, err)
		is, err := after.Digest(path)
		must(t, err)
		if (was == is) != same {
			t.Errorf("%q: the digests are the same: %t", path, was == is)
		}
	}
	if !before.Has("a") || before.Has("new") || !after.Has("new") || after.Has("gone") || !after.Has(".") {
		t.Error("what the trees have")
	}
}

// What a symbolic link leads to counts for the digest.
func TestDigestBehindALink(t *testing.T) {
	t.Parallel()
	tree, _ := workTree(t, map[string]string{"chart/x": "1", "shared/y": "1"})
	must(t, os.Symlink("../shared/y", filepath.Join(tree.Dir, "chart", "y")))
	first := committed(t, tree, nil)
	second := committed(t, tree, map[string]string{"shared/y": "2"})
	c := checkout(t, tree)
	var digests []string
	for _, commit := range []string{first, second} {
		at, err := c.At(t.Context(), commit)
		must(t, err)
		digest, err := at.Digest("chart")
		must(t, err)
		digests = append(digests, digest)
	}
	if digests[0] == digests[1] {
		t.Error("the digest stays when what a link leads to changes")
	}
}

func TestMergeBase(t *testing.T) {
	t.Parallel()
	tree, _ := workTree(t, map[string]string{"f": "1"})
	fork := committed(t, tree, map[string]string{"f": "2"})
	must(t, tree.Switch("change"))
	committed(t, tree, map[string]string{"g": "1"})
	head := committed(t, tree, map[string]string{"g": "2"})
	must(t, tree.Switch("main"))
	main := committed(t, tree, map[string]string{"f": "3"})
	c := checkout(t, tree)
	for _, sides := range [][2]string{{head, main}, {main, head}, {head, fork}} {
		found, err := c.MergeBase(sides[0], sides[1], "main")
		must(t, err)
		if found != fork {
			t.Errorf("%v meet in %s, want %s", sides, found, fork)
		}
	}
	if found, err := c.Commit("change"); err != nil || found != head {
		t.Errorf("the branch is at %s: %v", found, err)
	}
}

func TestCheckoutsThatLackTheBase(t *testing.T) {
	t.Parallel()
	tree, _ := workTree(t, map[string]string{"f": "1"})
	committed(t, tree, map[string]string{"f": "2"})
	must(t, tree.Switch("change"))
	head := committed(t, tree, map[string]string{"g": "1"})
	must(t, tree.Switch("main"))
	main := committed(t, tree, map[string]string{"f": "3"})
	must(t, tree.Forget(head, main))
	c := checkout(t, tree)
	_, err := c.MergeBase(head, main, "main")
	failure := func(err error, parts ...string) {
		t.Helper()
		if err == nil || slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(err.Error(), p) }) {
			t.Errorf("error = %v, want %q", err, parts)
		}
	}
	failure(err, "shallow clone", "git fetch --unshallow origin")
	_, err = c.Commit("release-1")
	failure(err, `no commit "release-1"`, "git fetch origin release-1:refs/remotes/origin/release-1")
	_, err = c.Commit(strings.Repeat("a", 40))
	failure(err, "git fetch origin aaaa")
	_, err = OpenCheckout(t.TempDir())
	failure(err, "is in no Git repository")
}

func TestRemotesOfACheckout(t *testing.T) {
	t.Parallel()
	tree, _ := workTree(t, map[string]string{"f": "1"})
	c := checkout(t, tree)
	for url, want := range map[string]bool{
		"https://github.com/acme/fleet": true, "ssh://git@GitHub.com:22/acme/fleet.git": true,
		"https://user:pass@github.com/acme/fleet.git": true, "https://github.com/acme/fleet-b": false,
		"https://example.com/acme/fleet": false, "": false, "nonsense": false, "https://github.com/": false,
	} {
		if got := c.Has(url); got != want {
			t.Errorf("%q is a remote: %t", url, got)
		}
	}
}
