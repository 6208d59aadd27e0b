package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
)

func TestWrap(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text         string
		taken, width int
		want         []string
	}{
		"no bound":                     {"one two three", 0, 0, []string{"one two three"}},
		"no text":                      {"", 0, 5, []string{""}},
		"it fits":                      {"one two", 0, 7, []string{"one two"}},
		"something is before it":       {"one two three", 5, 9, []string{"one", "two three"}},
		"no room behind what is there": {"one two", 9, 9, []string{"one", "two"}},
		"between words":                {"one two three", 0, 8, []string{"one two", "three"}},
		"a long word stays whole":      {"see oci://a.b/c now", 0, 10, []string{"see", "oci://a.b/c", "now"}},
		"wide characters take two":     {"日本 日本 日本", 0, 9, []string{"日本 日本", "日本"}},
		"colours take no room":         {"\x1b[31mone\x1b[0m two", 0, 7, []string{"\x1b[31mone\x1b[0m two"}},
		"combining marks take no room": {"e\u0301 e\u0301", 0, 3, []string{"e\u0301 e\u0301"}},
	}
	for name, tt := range tests {
		if diff := cmp.Diff(tt.want, wrap(tt.text, tt.taken, tt.width)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text  string
		width int
		want  string
	}{
		"it fits":                  {"one", 3, "one"},
		"it is cut":                {"one two", 5, "one…"},
		"wide characters are kept": {"日本日本", 6, "日本…"},
		"half of one is not shown": {"日本日本", 4, "日…"},
		"no room":                  {"one", 0, "…"},
	}
	for name, tt := range tests {
		if got := shorten(tt.text, tt.width); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestHang(t *testing.T) {
	t.Parallel()
	want := "fairlead: the first words\n  of a message that is\n  long"
	if got := hang("fairlead: ", "the first words of a message that is long", "  ", 26); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestWidths shows the same commands in a pipe, at 80 and at 40 columns.
func TestWidths(t *testing.T) {
	t.Parallel()
	crashed := shop()
	failing(crashed)
	explained := world{objects: []client.Object{crashed}, live: crashedShop(), looks: records(),
		logs: map[string][]string{"web": {"loading 2000000 products", "fatal: out of memory"}}}
	var cases []goldenCase
	for name, columns := range map[string]int{"pipe": 0, "80": 80, "40": 40} {
		for verb, c := range map[string]goldenCase{
			"get":      {args: "get releases -A", world: world{objects: everything()}},
			"status":   {args: "status release api", world: world{objects: everything()}},
			"explain":  {args: "explain release shop", world: explained},
			"conclude": {args: "reconcile release shop --wait", world: reconcileWorld(works, fails)},
			"error":    {args: "status release shop", world: answering(forbid("get", "web"))},
		} {
			c.name = "width-" + verb + "-" + name
			c.world.outWidth, c.world.errWidth = columns, columns
			cases = append(cases, c)
		}
	}
	runGolden(t, cases)
}

// TestNoLineIsWiderThanTheTerminal looks at what the golden files show, except for words that are longer themselves.
func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	t.Parallel()
	const columns = 60
	w := world{objects: everything(), outWidth: columns, errWidth: columns}
	lines := []string{"get releases -A", "get sources -A", "status release api", "status release shop", "get relases"}
	for _, args := range lines {
		r := w.run(t, strings.Fields(args)...)
		for line := range strings.Lines(r.stdout + r.stderr) {
			line = strings.TrimRight(line, "\n")
			if words := strings.Fields(line); visible(line) > columns && len(words) > 1 {
				t.Errorf("%s: %d columns: %q", args, visible(line), line)
			}
		}
	}
}

func TestChecksAreWrapped(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	a := &app{environment: environment{out: &out, outWidth: 40}}
	err := a.printChecks([]install.Check{{
		Outcome: install.Warned, Name: "rights",
		Message: "you may not list deployments in namespace fairlead-system",
		Fix:     "ask an administrator for the role view in that namespace",
	}}, &output{})
	if err != nil {
		t.Fatal(err)
	}
	want := `warning  rights: you may not list
         deployments in namespace
         fairlead-system
         → ask an administrator for the
           role view in that namespace
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPipeHasNoWidth(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = read.Close() })
	t.Cleanup(func() { _ = write.Close() })
	if out, rewritten := columnsOfFile(write), rewritableColumns(write); out != 0 || rewritten != 0 {
		t.Errorf("a pipe has %d and %d columns", out, rewritten)
	}
}

// crowdedWorld has objects with the long names and the long states that a cluster has.
func crowdedWorld() world {
	long := []func() *v1beta1.HelmRelease{shop, api, db, parked, broken}
	w := world{outWidth: defaultColumns, errWidth: defaultColumns}
	for i, seed := range long {
		hr := seed()
		hr.Name = fmt.Sprintf("payments-front-%d", i)
		w.objects = append(w.objects, hr)
	}

	source := ociAPI()
	source.Name = "payments-frontend"
	w.objects = append(w.objects, source)
	return w
}

// TestNamesAndPhasesAreWholeAt80Columns: what is copied into the next command is complete on a usual terminal, and
// there is room for the cause.
func TestNamesAndPhasesAreWholeAt80Columns(t *testing.T) {
	t.Parallel()
	w := crowdedWorld()
	for _, args := range []string{"get releases -A", "get releases", "get sources -A"} {
		r := w.run(t, strings.Fields(args)...)
		for line := range strings.Lines(r.stdout) {
			line = strings.TrimRight(line, "\n")
			if visible(line) > defaultColumns {
				t.Errorf("%s: %d columns: %q", args, visible(line), line)
			}

			// Only the last cell, the message, may be cut.
			if cut := strings.Index(line, "…"); cut >= 0 && cut < len(line)-len("…") {
				t.Errorf("%s: a cell before the message is cut: %q", args, line)
			}
		}
	}
}

func TestColumnsAreLeftOutForTheMessage(t *testing.T) {
	t.Parallel()
	w := crowdedWorld()
	narrow := w.run(t, "get", "releases", "-A").stdout
	titles := strings.Fields(strings.SplitN(narrow, "\n", 2)[0])
	if slices.Contains(titles, "AGE") || !slices.Contains(titles, "MESSAGE") {
		t.Errorf("at %d columns the titles are %q", defaultColumns, titles)
	}

	for _, columns := range []int{0, 200} {
		w.outWidth = columns
		wide := w.run(t, "get", "releases", "-A").stdout
		titles = strings.Fields(strings.SplitN(wide, "\n", 2)[0])
		if !slices.Contains(titles, "AGE") || !slices.Contains(titles, "REVISION") {
			t.Errorf("at %d columns the titles are %q", columns, titles)
		}
	}
}
