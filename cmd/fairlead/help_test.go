package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands walks the tree; what cobra adds by itself is left out.
func commands(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if name := sub.Name(); name != "help" && !sub.Hidden {
			out = append(out, commands(sub)...)
		}
	}
	return out
}

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	all := commands(newRootCommand(&app{}))
	if len(all) < 12 {
		t.Fatalf("found only %d commands", len(all))
	}
	for _, cmd := range all {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q", path, cmd.Short)
		}
		// Every example is the command itself, or a command that is made of it.
		if !strings.Contains(cmd.Example, path) {
			t.Errorf("%s: the example does not show it: %q", path, cmd.Example)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help", path, f.Name)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	runGolden(t, []goldenCase{
		{"help", world{}, "--help"},
		{"help-get", world{}, "get --help"},
		{"help-of-command", world{}, "help get releases"},
		{"help-unknown", world{}, "help statsu"},
		{"help-unknown-below", world{}, "help bootstrap gti"},
		{"help-build", world{}, "build --help"},
		{"help-install", world{}, "install --help"},
		{"help-uninstall", world{}, "uninstall --help"},
		{"help-check", world{}, "check --help"},
		{"help-bootstrap", world{}, "bootstrap --help"},
		{"help-bootstrap-git", world{}, "bootstrap git --help"},
		{"help-status", world{}, "status --help"},
		{"help-history", world{}, "history --help"},
		{"help-reconcile", world{}, "reconcile --help"},
		{"help-rollback", world{}, "rollback --help"},
		{"help-tree", world{}, "tree --help"},
		{"help-explain", world{}, "explain --help"},
		{"help-diff", world{}, "diff --help"},
		{"help-render", world{}, "render --help"},
		{"help-trace", world{}, "trace --help"},
		{"help-events", world{}, "events --help"},
		{"help-create", world{}, "create --help"},
		{"help-create-source-git", world{}, "create source git --help"},
		{"help-create-release", world{}, "create release --help"},
		{"help-create-kustomization", world{}, "create kustomization --help"},
		{"help-create-secret", world{}, "create secret --help"},
		{"help-create-secret-git", world{}, "create secret git --help"},
		{"help-logs", world{}, "logs --help"},
		{"help-values", world{}, "values --help"},
		{"help-suspend", world{}, "suspend --help"},
		{"help-resume", world{}, "resume --help"},
		{"help-version", world{}, "version --help"},
		{"help-completion", world{}, "completion --help"},
	})
}

func TestNoArgumentsShowsTheHelp(t *testing.T) {
	t.Parallel()
	r := world{}.run(t)
	if r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "Exit codes:") {
		t.Errorf("%+v", r)
	}
}
