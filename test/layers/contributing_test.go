package layers

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named are paths of the repository in backticks, and in the drawing of the layers, where braces list several.
var named = regexp.MustCompile("(?:cmd|controllers|helmops|sources|test|config|docs)/[a-zA-Z0-9_./{},-]*[a-zA-Z0-9_}]")

// expand returns the paths that a path with a list in braces stands for.
func expand(path string) []string {
	before, rest, ok := strings.Cut(path, "{")
	if !ok {
		return []string{path}
	}
	list, after, _ := strings.Cut(rest, "}")
	var out []string
	for _, one := range strings.Split(list, ",") {
		out = append(out, expand(before+one+after)...)
	}
	return out
}

// pathsIn returns the paths that a page names, without those that a command of go test makes.
func pathsIn(page string) (out []string) {
	for _, path := range named.FindAllString(page, -1) {
		for _, one := range expand(path) {
			out = append(out, strings.TrimSuffix(one, "/..."))
		}
	}
	return out
}

// CONTRIBUTING says where to look; what it names exists, and every package of a layer is in its drawing.
func TestContributingNamesWhatExists(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	paths := pathsIn(string(content))
	drawn := map[string]bool{}
	for _, path := range paths {
		drawn[path] = true
		if _, err := os.Stat(filepath.Join("..", "..", path)); err != nil {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", path)
		}
	}
	if len(paths) < 60 {
		t.Fatalf("only %d paths were found", len(paths))
	}
	for prefix, layer := range layers {
		path := strings.TrimSuffix(prefix, "/")
		if layer == 6 || layer == 0 || drawn[path] || path == "cmd" || path == "controllers" || path == "sources" {
			continue
		}
		t.Errorf("CONTRIBUTING.md does not draw %s, which is in layer %d", path, layer)
	}
}

func TestPathsAreFound(t *testing.T) {
	t.Parallel()
	got := strings.Join(pathsIn("see `helmops/kube/{drift,health}` and helmops/plan (`x`), go test ./sources/git -run X"),
		" ")
	if got != "helmops/kube/drift helmops/kube/health helmops/plan sources/git" {
		t.Errorf("found %s", got)
	}
}
