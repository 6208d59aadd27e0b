package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// vague are words that do not say who acts, or that the field does not use. Messages, comments and pages name the
// controller, the command or the user instead, and say reconcile, retry, report, emit, recreate, permanently.
var vague = regexp.MustCompile(`(?i)\b(whoever|nobody|somebody|anybody|anew|for good|mend(s|ed|ing)?|` +
	`(goes|go|going|gone|went) on|(is|are|was|were|be|been|being) told|` +
	`tells? (whether|of|which|how|who|when|why|by))\b`)

// vagueIn returns the comments and string literals of a file that have such words, with their lines.
func vagueIn(fset *token.FileSet, file *ast.File) []string {
	out := vagueComments(fset, file)
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		if word := vague.FindString(literal.Value); word != "" {
			out = append(out, fmt.Sprintf("%s: %q in %s", fset.Position(literal.Pos()), word, literal.Value))
		}
		return true
	})
	return out
}

// vagueComments returns the comments of a file that have such words, with their lines.
func vagueComments(fset *token.FileSet, file *ast.File) (out []string) {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if word := vague.FindString(comment.Text); word != "" {
				out = append(out, fmt.Sprintf("%s: %q in %s", fset.Position(comment.Pos()), word, comment.Text))
			}
		}
	}
	return out
}

// goFiles returns the Go files of folders of the project that a test is about.
func goFiles(t *testing.T, folders []string, isWanted func(path string) bool) (paths []string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && filepath.Ext(path) == ".go" && isWanted(path) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(paths) < 100 {
		t.Fatalf("%d files were found", len(paths))
	}
	return paths
}

func isTest(path string) bool { return strings.HasSuffix(path, "_test.go") }

func parsed(t *testing.T, path string) (*token.FileSet, *ast.File) {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return fset, file
}

func TestCodeSaysWhoActs(t *testing.T) {
	t.Parallel()
	for _, path := range goFiles(t, production, func(path string) bool { return !isTest(path) }) {
		for _, found := range vagueIn(parsed(t, path)) {
			t.Error(found)
		}
	}
}

// unread are folders whose tests have comments with such words still.
var unread = []string{"cmd/fairlead", "helmops/release"}

func TestCommentsOfTestsSayWhoActs(t *testing.T) {
	t.Parallel()
	isOfTests := func(path string) bool {
		folder, err := filepath.Rel(filepath.Join("..", ".."), filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.ToSlash(folder)
		return (isTest(path) || strings.HasPrefix(folder, "test/")) && !slices.Contains(unread, folder)
	}
	for _, path := range goFiles(t, append(slices.Clone(production), "test"), isOfTests) {
		for _, found := range vagueComments(parsed(t, path)) {
			t.Error(found)
		}
	}
}

func TestPagesSayWhoActs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("%d pages were read", len(pages))
	}
	pages = append(pages, filepath.Join("..", "..", "README.md"), filepath.Join("..", "..", "CONTRIBUTING.md"))
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range vague.FindAllString(string(text), -1) {
			t.Errorf("%s says %q", page, word)
		}
	}
}

func TestVagueWordsAreFound(t *testing.T) {
	t.Parallel()
	const code = "package p\n\n" +
		"// p is told.\n" +
		"var a, b, c = \"work goes on when it is there\", `it Goes on`, \"cargoes on board, retold\" // made anew\n"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if found := vagueIn(fset, file); len(found) != 4 {
		t.Errorf("found %q", found)
	}
	if found := vagueComments(fset, file); len(found) != 2 {
		t.Errorf("in comments %q", found)
	}
}
