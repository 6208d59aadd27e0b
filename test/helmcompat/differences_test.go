package helmcompat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead/test/env"
)

// difference is something that is not equal, on purpose or because it cannot be.
type difference struct {
	// what differs, in the words of docs/fidelity.md.
	what string
	// places in the tree that is compared; "*" is any one step.
	places [][]string
	// scenario bounds it to one scenario; empty is all.
	scenario string
	// fails bounds it to scenarios that fail.
	fails bool
	// why it is so.
	why string
}

// sharedKeys are the places where an upgrade of a list with items that share a key differs.
var sharedKeys = [][]string{
	{"objects", "Deployment NAMESPACE/main", "metadata", "annotations", "deployment.kubernetes.io/revision"},
	{"objects", "Deployment NAMESPACE/main", "spec", "template", "spec", "containers", "*", "env", "*", "*"},
}

const (
	sharedKeysDiffer = "items of a list that share a key, after an upgrade"
	sharedKeysWhy    = "the helm command merges them one by one, which can drop or reorder them; Fairlead then replaces the list by that " +
		"of the manifest, with a second write"
)

// differences is all that may differ between the helm command and Fairlead. docs/fidelity.md lists the same.
var differences = []difference{
	{
		what:   "annotations of the release record",
		places: [][]string{{"records", "*", "secret", "metadata", "annotations", "fairlead.dev/*"}},
		why:    "Fairlead notes there who wrote the revision, from which exact chart, and which HelmRelease owns the release",
	},
	{
		what:   "apply method in the release record",
		places: [][]string{{"records", "*", "release", "apply_method"}},
		why: "Fairlead names it in the field that Helm 4 has for it, so that Helm 4 continues with it; " +
			"Helm 3 has no such field",
	},
	{
		what:   "annotation of the objects of hooks",
		places: [][]string{{"objects", "*", "metadata", "annotations", "fairlead.dev/hook-of"}},
		why:    "Fairlead notes there which release a hook is of, to replace what a failed attempt left and nothing else",
	},
	{
		what:   "label createdAt of a release record that was updated",
		places: [][]string{{"records", "*", "secret", "metadata", "labels", "createdAt"}},
		why:    "the helm command drops it with the second write of a record; Fairlead keeps it",
	},
	{
		what:     "what a failed revision made and the next one does not have",
		places:   [][]string{{"objects", "ConfigMap NAMESPACE/extra"}},
		scenario: "upgrade-leftovers",
		why:      "the helm command compares with the last revision that was deployed, and leaves it; Fairlead removes it",
	},
	{
		what:     "key of a Secret that left stringData",
		places:   [][]string{{"objects", "Secret NAMESPACE/plain", "data", "gone"}},
		scenario: "keys-of-string-data",
		why:      "the helm command leaves it in the Secret; Fairlead applies stringData as data, and removes it",
	},
	{
		what:   "description of a failed revision",
		places: [][]string{{"records", "*", "release", "info", "description"}},
		fails:  true,
		why:    "Fairlead names the object with its kind and namespace, and the cause, with the exit code of a Job's container",
	},
	{
		what:     "first of two objects of one name",
		places:   [][]string{{"objects", "ConfigMap NAMESPACE/config"}, {"objects"}},
		scenario: "object-twice",
		why:      "the helm command makes it before it fails at the second; Fairlead refuses the manifest before it makes anything",
	},
	{what: sharedKeysDiffer, places: sharedKeys, scenario: "twice-in-a-list", why: sharedKeysWhy},
	{what: sharedKeysDiffer, places: sharedKeys, scenario: "adopt-twice-in-a-list", why: sharedKeysWhy},
	{
		what: "lists and selectors of a Service that no manager owned",
		places: [][]string{
			{"objects", "Service NAMESPACE/main", "spec", "ports", "*", "*"},
			{"objects", "Service NAMESPACE/main", "spec", "selector", "old"},
		},
		scenario: "takes-over",
		why:      "the helm command merges by comparison, Fairlead by server-side apply: the order of ports differs, and a selector is of one owner",
	},
}

// The page in docs lists what the table lists.
func TestDifferencesAreDocumented(t *testing.T) {
	t.Parallel()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "fidelity.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		if row := "| " + d.what + " | " + d.why + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/fidelity.md lacks the row\n%s", row)
		}
	}
}

// The comparison finds what differs at any place, and leaves out what is listed, only that.
func TestComparison(t *testing.T) {
	t.Parallel()
	p := &play{scenario: scenario{name: "x", random: []string{`token-\w{4}`}}}
	tree := func(namespace, annotation, value string, list ...any) any {
		return p.comparable(map[string]any{
			"records": map[string]any{"v1": map[string]any{"secret": map[string]any{"metadata": map[string]any{
				"annotations": map[string]any{"fairlead.dev/" + annotation: "set", "other": value},
			}}}},
			"objects": map[string]any{"ConfigMap " + namespace + "/a": map[string]any{"data": "first\n" + value,
				"list": list}},
		}, side{namespace: namespace}, nil)
	}
	base := tree("one", "a", "token-abcd", "a", "b")
	for name, row := range map[string]struct {
		other any
		want  int
	}{
		"namespaces, chance and what is listed":  {tree("two", "b", "token-wxyz", "a", "b"), 0},
		"a value at two places":                  {tree("two", "b", "changed", "a", "b"), 2},
		"chance of another length":               {tree("two", "b", "token-abcde", "a", "b"), 2},
		"the order of a list":                    {tree("two", "b", "token-abcd", "b", "a"), 2},
		"a list that is shorter":                 {tree("two", "b", "token-abcd", "a"), 1},
		"an empty list, whose items are missing": {tree("two", "b", "token-abcd"), 3},
		"nothing on the other side":              {map[string]any{}, 3},
	} {
		if got := compare(base, row.other); len(got) != row.want {
			t.Errorf("%s: %d differences, want %d:\n%s", name, len(got), row.want, strings.Join(got, "\n"))
		}
	}
}
