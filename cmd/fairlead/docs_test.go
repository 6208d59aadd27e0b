package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentationIsTrue runs the commands of docs/cli.md and compares what it shows; -update writes it anew.
func TestDocumentationIsTrue(t *testing.T) {
	t.Parallel()
	const path = "../../docs/cli.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	text := regexp.MustCompile("(?s)```console\n\\$ fairlead ([^\n]*)\n.*?```").ReplaceAllStringFunc(string(data), func(block string) string {
		examples++
		line := strings.SplitN(block, "\n", 3)[1]
		r := reconcileWorld(works, becomesReady).run(t, strings.Fields(strings.TrimPrefix(line, "$ fairlead "))...)
		return "```console\n" + line + "\n" + r.stderr + r.stdout + "```"
	})
	if examples < 9 {
		t.Errorf("only %d examples", examples)
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(data), text); diff != "" {
		t.Errorf("%s (-documented +real):\n%s", path, diff)
	}
	for _, cmd := range commands(newRootCommand(&app{})) {
		name := strings.TrimPrefix(cmd.CommandPath(), "fairlead ")
		if !cmd.HasSubCommands() && name != "controller" && !strings.Contains(text, "`"+name) {
			t.Errorf("%s does not mention %q", path, name)
		}
	}
}
