package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// valuedByGit is the release with values of every origin, files of a GitRepository among them, and a key that its chart
// does not know.
func valuedByGit(t *testing.T) world {
	t.Helper()
	server, err := servers.GitServer(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, err := server.Create("config")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"values/common.yaml": "replicas: 2\n", "values/prod/10-base.yaml": "hosts: [shop.example.com]\n",
		"values/prod/20-redis.yaml": "redis: {size: 8Gi, prot: 6380}\n",
	}
	if _, err := server.Commit("config", "main", files, "values"); err != nil {
		t.Fatal(err)
	}

	repository := &v1beta1.GitRepository{ObjectMeta: named("web", "config", 0)}
	repository.Spec.URL = url
	repository.Spec.Reference = &v1beta1.GitRepositoryRef{Branch: "main"}
	w := valuedWorld()
	hr := valued()[0].(*v1beta1.HelmRelease)
	hr.Spec.ValuesFrom = append([]v1beta1.ValuesReference{
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "values/common.yaml"},
		{Kind: v1beta1.GitRepositoryKind, Name: "config", Path: "values/prod/*.yaml"},
		{Kind: v1beta1.OCIRepositoryKind, Name: "team-defaults", Path: "web/shop.yaml", Optional: true},
	}, hr.Spec.ValuesFrom[1:]...)
	w.objects = append(append(w.objects[:0:0], hr, repository), valued()[1:]...)
	return w
}

// The samples in docs/values.md are what the command prints.
func TestValuesAreDocumented(t *testing.T) {
	t.Parallel()
	const path, prompt, end = "../../docs/values.md", "```text\n$ fairlead ", "```"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	w := valuedByGit(t)
	parts := strings.Split(string(data), prompt)
	written := parts[0]
	for _, part := range parts[1:] {
		line, rest, _ := strings.Cut(part, "\n")
		_, after, closed := strings.Cut(rest, end)
		if !closed {
			t.Fatalf("the sample %q of %s has no end", line, path)
		}
		r := w.run(t, strings.Fields(line)...)
		written += prompt + line + "\n" + r.stderr + r.stdout + end + after
	}

	if len(parts) != 4 || strings.Contains(written, "hunter2") {
		t.Errorf("%s has %d samples, or shows a secret", path, len(parts)-1)
	}
	if *update {
		if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), written); diff != "" {
		t.Errorf("%s (-documented +real):\n%s", path, diff)
	}
}

// Files and branches that do not exist are named.
func TestValuesThatAreNotInGit(t *testing.T) {
	t.Parallel()
	w := valuedByGit(t)
	repository := w.objects[1].(*v1beta1.GitRepository)
	hr := w.objects[0].(*v1beta1.HelmRelease)
	hr.Spec.ValuesFrom = hr.Spec.ValuesFrom[:1]
	hr.Spec.ValuesFrom[0].Path = "values/none*.yaml"
	r := w.run(t, "values", "release", "shop", "-n", "web")
	want := `GitRepository web/config: no file matches "values/none*.yaml"; values has common.yaml`
	if r.code != 2 || !strings.Contains(r.stderr, want) {
		t.Errorf("exit code %d, %s", r.code, r.stderr)
	}
	repository.Spec.Reference.Branch = "gone"
	r = w.run(t, "values", "release", "shop", "-n", "web")
	if r.code != 2 || !strings.Contains(r.stderr, `GitRepository web/config: `) ||
		!strings.Contains(r.stderr, `no branch "gone"`) {
		t.Errorf("exit code %d, %s", r.code, r.stderr)
	}
}
