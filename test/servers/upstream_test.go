package servers

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var files = map[string]string{
	"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0+b1\n", "templates/x.yaml": "a: 1\n",
}

func TestChartsAreBuiltTheSameEachTime(t *testing.T) {
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built, err := BuildChart(files)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := PackChart(dir)
	if err != nil || !bytes.Equal(built, packed) {
		t.Errorf("%d and %d bytes, %v", len(built), len(packed), err)
	}
	if _, err := BuildChart(map[string]string{"values.yaml": "a: 1\n"}); err == nil {
		t.Error("a chart without a Chart.yaml was built")
	}
}

func TestPushingAChartTwiceGivesOneDigest(t *testing.T) {
	server, err := Registry(t.TempDir(), Options{Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	archive, err := BuildChart(files)
	if err != nil {
		t.Fatal(err)
	}
	first, err := server.PushChart(t.Context(), "charts", archive)
	if err != nil {
		t.Fatal(err)
	}
	second, err := server.PushChart(t.Context(), "charts", archive)
	if err != nil || first != second {
		t.Errorf("%s and %s, %v", first, second, err)
	}
}

func TestGitCloneReadsWhatWasCommitted(t *testing.T) {
	server, err := GitServer(t.TempDir(), Options{})
	if err != nil {
		t.Fatalf("git is needed, with its http-backend: %v", err)
	}
	defer server.Close()
	url, err := server.Create("team/apps")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Commit("team/apps", "main", map[string]string{"a": "1", "b/c": "2"}, "first"); err != nil {
		t.Fatal(err)
	}
	sha, err := server.Commit("team/apps", "main", map[string]string{"a": "", "d": "3"}, "second")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Tag("team/apps", "v1", "main", "annotated"); err != nil {
		t.Fatal(err)
	}
	if head, err := server.Head("team/apps", "v1"); err != nil || head != sha {
		t.Errorf("the tag is at %s, %v; want %s", head, err, sha)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	cmd := exec.Command("git", "clone", "--quiet", url, clone)
	cmd.Env = server.env()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for _, name := range []string{"a", "b/c", "d"} {
		if content, err := os.ReadFile(filepath.Join(clone, name)); err == nil {
			got = append(got, name+"="+string(content))
		}
	}
	if diff := cmp.Diff([]string{"b/c=2", "d=3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if server.Requests()["GET"] == 0 || len(server.Seen()) == 0 {
		t.Error("no requests were counted")
	}
	server.Forget()
	if len(server.Seen()) != 0 {
		t.Error("requests were not forgotten")
	}
}
