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

// tooWide are the lines of a help text that do not fit. Command lines stay whole, so that they can be copied, as does
// a single word.
func tooWide(text string, width int) (out []string) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " ") {
			section = line
		}

		copied := section == "Usage:" || section == "Examples:"
		if visible(line) > width && !copied && strings.Contains(strings.TrimSpace(line), " ") {
			out = append(out, line)
		}
	}

	return out
}

func TestHelpFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, cmd := range commands(newRootCommand(&app{})) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		for _, width := range []int{defaultColumns, 120} {
			r := world{outWidth: width}.run(t, args...)
			if r.code != exitOK || r.stdout == "" {
				t.Fatalf("%s: %+v", cmd.CommandPath(), r)
			}

			for _, line := range tooWide(r.stdout, width) {
				t.Errorf("%s: wider than %d columns: %q", cmd.CommandPath(), width, line)
			}
		}
	}
}

func TestWideHelpIsFound(t *testing.T) {
	t.Parallel()
	const text = "Four words are here.\n\nUsage:\n  fairlead get KIND NAME\n\n" +
		"Flags:\n  -h   help for get\n       system:masters,kubeadm:admins\n"
	got := tooWide(text, 15)
	want := []string{"Four words are here.", "  -h   help for get"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestEveryCommandHasAGroup(t *testing.T) {
	t.Parallel()
	root := newRootCommand(&app{})
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" && cmd.Name() != "help" {
			t.Errorf("%s is in no group of the help", cmd.CommandPath())
		}
	}

	for _, group := range root.Groups() {
		if !strings.HasSuffix(group.Title, ":") {
			t.Errorf("group %s: title %q", group.ID, group.Title)
		}
	}
}
