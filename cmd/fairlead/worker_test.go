package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestMain makes the test binary a child when a command starts one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == workerVerb {
		os.Exit(runWorker(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// A directory of the repository may have a name that kustomize takes for an address, with an option for git in it. Neither build nor diff
// starts a program for it. Both are what a pipeline runs on pull requests.
func TestNoProgramIsStartedForARepository(t *testing.T) {
	programs, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	script := "#!/bin/sh\necho \"$0 $*\" >>" + calls + "\nexit 1\n"
	if err := os.WriteFile(filepath.Join(programs, "git"), []byte(script), 0o755); err != nil { // it has to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	w := world{objects: []client.Object{apps(), variables()}}
	for _, spelling := range []string{
		"git@example.com/org/repo", "org-1@example.com/org/repo", "gh/org/repo", "git@github.com/org/repo", "www.github.com/org/repo",
		"./git@example.com/org/repo", "a/../git@example.com/org/repo", "git::example.com/org/repo", "ssh.example.com/org/repo.git",
		"git@example.com/org/repo?ref=--upload-pack=touch%20marker%20%23",
	} {
		named := filepath.Clean(spelling)
		dir := repository(t, map[string]string{
			"apps/production/kustomization.yaml":               "resources: [\"" + spelling + "\"]\n",
			"apps/production/" + named + "/kustomization.yaml": "resources: [cm.yaml]\n",
			"apps/production/" + named + "/cm.yaml":            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
			"apps/production/a/x":                              "",
		})
		for _, command := range []string{"build", "diff"} {
			r := w.run(t, command, "kustomization", "apps", "--path", dir)
			if ran, err := os.ReadFile(calls); err == nil {
				t.Fatalf("%s of %q started %s", command, spelling, ran)
			}
			if strings.ContainsAny(spelling, "@:") && (r.code == exitOK || !strings.Contains(r.stderr, "only files of the source")) {
				t.Errorf("%s of %q: exit code %d, %s", command, spelling, r.code, r.stderr)
			}
			if !strings.ContainsAny(spelling, "@:") && command == "build" && !strings.Contains(r.stdout, "name: x") {
				t.Errorf("%s of the directory %q: %s", command, spelling, r.stderr)
			}
		}
	}
}
