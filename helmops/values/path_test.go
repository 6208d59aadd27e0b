package values

import (
	"slices"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"image":                       "image",
		"image.tag":                   "image tag",
		"hosts[0]":                    "hosts 0",
		"hosts[10].paths[2].path":     "hosts 10 paths 2 path",
		"matrix[0][1]":                "matrix 0 1",
		`annotations.example\.com/a`:  "annotations example.com/a",
		`a\[0\]`:                      "a[0]",
		"":                            "!",
		".":                           "!",
		"a.":                          "!",
		".a":                          "!",
		"a..b":                        "!",
		"a[":                          "!",
		"a[x]":                        "!",
		"a[-1]":                       "!",
		"a[01]":                       "!",
		"[0]":                         "!",
		"a[0]b":                       "!",
		"a]":                          "!",
		`a\`:                          "!",
		"hosts[0].":                   "!",
		"hosts[99999999999999999999]": "!",
	} {
		path, err := ParsePath(text)
		got := strings.Join(path, " ")
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q is read as %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestPathsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]string{{"a", "b"}, {"a.b"}, {`x\y`, "c[0]"}, {"a,b=c"}} {
		text := ""
		for _, key := range keys {
			text = PathText(text, key)
		}
		if got, err := ParsePath(text); err != nil || !slices.Equal(got, keys) {
			t.Errorf("%q is read as %q, error %v", text, got, err)
		}
	}
	if got, err := ParsePath(ItemText("hosts", 3)); err != nil || !slices.Equal(got, []string{"hosts", "3"}) {
		t.Errorf("a list item is read as %q, error %v", got, err)
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	value := map[string]any{"hosts": []any{map[string]any{"name": "a"}}, "none": nil}
	for path, want := range map[string]any{"hosts 0 name": "a", "none": nil} {
		if got, ok := At(value, strings.Fields(path)); !ok || got != want {
			t.Errorf("%s is %v, found %t", path, got, ok)
		}
	}
	for _, path := range []string{"absent", "hosts 1", "hosts x", "hosts -1", "none below", "hosts 0 name more"} {
		if got, ok := At(value, strings.Fields(path)); ok {
			t.Errorf("%s is %v, want nothing", path, got)
		}
	}
}
