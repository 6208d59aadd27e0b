package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocumentationIsTrue runs the commands of docs/cli.md and compares what it shows; -update writes it again.
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
		args := strings.Fields(strings.TrimPrefix(line, "$ fairlead "))
		r := documented(args[0]).run(t, args...)
		return "```console\n" + line + "\n" + r.stderr + r.stdout + "```"
	})
	if examples < 14 {
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
		if !cmd.HasSubCommands() && !strings.Contains(text, "\n| [`"+name) {
			t.Errorf("the table of commands of %s does not have %q", path, name)
		}
	}
}

// documented is the world in which the examples of a command run.
func documented(command string) world {
	w := reconcileWorld(works, becomesReady)
	w.live, w.looks = crashedShop(), fakeInspector{drifted: driftOfShop(), stored: contents()}
	switch command {
	case "diff":
		w.looks.since = sinceShop()
		w.looks.records = recordsOfShop()
	case "logs":
		return world{controllerLogs: loggedByTwo()}
	case "events":
		return world{objects: happened()}
	case "trace":
		return world{objects: tracedShop(), live: tracedObjects()}
	case "values":
		return valuedWorld()
	case "rollback":
		return rollbackWorld(steered(), works, rollsBack)
	case "explain":
		w.objects, w.looks = declaredShop(), failedRecords()
		w.logs = map[string][]string{"web": {"loading 2000000 products", "fatal: out of memory"}}
	}
	return w
}

// isSample compares what a command prints with its sample on a page. With -update it writes the sample.
func isSample(t *testing.T, path, command, printed string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	prompt := "```text\n$ " + command + "\n"
	before, rest, found := strings.Cut(string(data), prompt)
	sample, after, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("%s has no sample of the command", path)
	}

	if *update {
		if err := os.WriteFile(path, []byte(before+prompt+printed+"```"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}

	if sample != printed {
		t.Errorf("%s shows\n%s\nthe command prints\n%s", path, sample, printed)
	}
}
