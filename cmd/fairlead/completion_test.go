package main

import (
	"errors"
	"strings"
	"testing"
)

// TestCompletion asks the way a shell does, through cobra's hidden command.
func TestCompletion(t *testing.T) {
	t.Parallel()
	all := world{objects: everything()}
	tests := []struct {
		name  string
		world world
		args  []string
		want  string
	}{
		{"kinds", all, []string{"reconcile", ""}, "release kustomization gitrepository helmrepository ocirepository bucket helmchart artifactgenerator externalartifact"},
		{"kinds by prefix", all, []string{"suspend", "helm"}, "helmrepository helmchart"},
		{"what has a history", all, []string{"history", ""}, "release pipeline"},
		{"names come from the cluster", all, []string{"status", "release", ""}, "api broken fresh parked shop"},
		{"names by prefix", all, []string{"status", "hr", "sh"}, "shop"},
		{"names of another namespace", all, []string{"reconcile", "release", "-n", "infra", ""}, "db"},
		{"names of sources", all, []string{"suspend", "git", "-n", "infra", ""}, "fleet"},
		{"kinds of the cluster", all, []string{"trace", "d"}, "deployment daemonset"},
		{"names of any kind", world{live: tracedObjects()}, []string{"trace", "deploy", ""}, ""},
		{"names of objects", world{live: tracedObjects()}, []string{"trace", "deployment", ""}, "shop"},
		{"names that are not there yet", all, []string{"suspend", "release", "shop", "p"}, "parked"},
		{"no name twice", all, []string{"resume", "release", "shop", "sh"}, ""},
		{"nothing after the name", all, []string{"status", "release", "shop", ""}, ""},
		{"nothing of an unknown kind", all, []string{"suspend", "pod", ""}, ""},
		{"nothing when the cluster does not answer", answering(errors.New("away")), []string{"status", "release", ""}, ""},
		{"formats", all, []string{"get", "releases", "-o", ""}, "wide name json yaml jsonpath custom-columns go-template"},
		{"shells", all, []string{"completion", ""}, "bash zsh fish powershell"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := tt.world.run(t, append([]string{"__completeNoDesc"}, tt.args...)...)
			lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
			if got := strings.Join(lines[:len(lines)-1], " "); got != tt.want || r.code != exitOK {
				t.Errorf("got %q, want %q (%+v)", got, tt.want, r)
			}
			if last := lines[len(lines)-1]; last != ":4" {
				t.Errorf("directive %s lets the shell offer files", last)
			}
		})
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range shells {
		r := world{}.run(t, "completion", shell)
		if r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "fairlead") {
			t.Errorf("%s: code %d, stderr %q, %d bytes", shell, r.code, r.stderr, len(r.stdout))
		}
	}
	r := world{}.run(t, "completion", "tcsh")
	if r.code != exitError || r.stderr != "fairlead: expected one shell: bash, zsh, fish, powershell; see \"fairlead completion --help\"\n" {
		t.Errorf("%+v", r)
	}
}
