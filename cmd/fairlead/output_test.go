package main

import (
	"regexp"
	"strings"
	"testing"
)

// The formats of kubectl print the fields that JSON has.
func TestOutputFormats(t *testing.T) {
	t.Parallel()
	all := world{objects: everything(), live: crashedShop()}
	runGolden(t, []goldenCase{
		{"output-name", all, "get sources -n infra -o name"},
		{"output-name-none", world{}, "get releases -o name"},
		{"output-name-status", all, "status release shop -o name"},
		{"output-name-tree", all, "tree release shop -o name"},
		{"output-jsonpath", all, `get releases -n web -o jsonpath={range.items[*]}{.name}:{.phase}:{.nothing}{"\n"}{end}`},
		{"output-jsonpath-status", all, "status release shop -o jsonpath={.chart.version}"},
		{"output-jsonpath-malformed", all, "get releases -o jsonpath={.items"},
		{"output-columns", all, "get releases -o custom-columns=NAME:.name,CHART:.chart.version"},
		{"output-columns-bare", all, "get releases -o custom-columns=NAME:.name --no-headers"},
		{"output-columns-malformed", all, "get releases -o custom-columns=NAME"},
		{"output-template", all, `get releases -o go-template={{range.items}}{{.name}}{{"\n"}}{{end}}`},
		{"output-template-missing", all, "get releases -o go-template"},
		{"output-no-template", all, "get releases -o json=x"},
		{"output-no-headers", all, "get releases -A --no-headers"},
		{"output-no-headers-tree", all, "tree release shop --no-headers"},
		{"output-no-headers-terminal", onTerminal(60), "get releases --no-headers"},
		{"output-events-wide", world{objects: happened(), outWidth: 60}, "events -o wide --no-headers"},
		{"output-history-jsonpath", all, "history release shop -o jsonpath={.items[0].revision}"},
	})
}

// States have colours where standard output shows them, and the colours take no room.
func TestColours(t *testing.T) {
	t.Parallel()
	terminal := world{objects: everything(), colour: true, outWidth: 80}
	pipe := world{objects: everything()}
	tests := map[string]struct {
		world world
		args  string
		want  bool
	}{
		"a terminal":              {terminal, "get releases -A", true},
		"a pipe":                  {pipe, "get releases -A", false},
		"a terminal, never":       {terminal, "get releases -A --color never", false},
		"a pipe, always":          {pipe, "get releases -A --color always", true},
		"a pipe, auto":            {pipe, "get releases -A --color auto", false},
		"a status":                {terminal, "status release api", true},
		"the outcome of a change": {world{objects: everything(), colour: true, funcs: play(becomesReady)}, "reconcile release shop --wait", true},
	}
	escapes := regexp.MustCompile("\x1b\\[[0-9]*m")
	for name, tt := range tests {
		r := tt.world.run(t, strings.Fields(tt.args)...)
		if r.code == exitError || escapes.MatchString(r.stdout) != tt.want || escapes.MatchString(r.stderr) {
			t.Errorf("%s: colours wanted %v, got %q and %q", name, tt.want, r.stdout, r.stderr)
		}
		plain := tt.world
		plain.colour = false
		args := append(strings.Fields(tt.args), "--color", colourNever)
		if got := plain.run(t, args...).stdout; got != escapes.ReplaceAllString(r.stdout, "") {
			t.Errorf("%s: without colours it is\n%s\nand not\n%s", name, got, r.stdout)
		}
	}
	runGolden(t, []goldenCase{
		{"colour-get", terminal, "get releases -A"},
		{"colour-unknown", terminal, "get releases --color blue"},
	})
}
