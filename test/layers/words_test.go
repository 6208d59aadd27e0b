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
	"strings"
	"testing"
)

// vague are words that do not say who acts, or that the field does not use. Messages, comments and pages name the
// controller, the command or the user instead, and say reconcile, retry, report, emit, recreate, permanently.
var vague = regexp.MustCompile(`(?i)\b(whoever|nobody|somebody|anybody|anew|for good|mend(s|ed|ing)?|` +
	`(goes|go|going|gone|went) on|(is|are|was|were|be|been|being) told|` +
	`tells? (whether|of|which|how|who|when|why|by))\b`)

// vagueIn returns the comments and string literals of a file that have such words, with their lines.
func vagueIn(fset *token.FileSet, file *ast.File) (out []string) {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if word := vague.FindString(comment.Text); word != "" {
				out = append(out, fmt.Sprintf("%s: %q in %s", fset.Position(comment.Pos()), word, comment.Text))
			}
		}
	}
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

func TestCodeSaysWhoActs(t *testing.T) {
	t.Parallel()
	files := 0
	for _, folder := range production {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, entry fs.DirEntry,
			err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, found := range vagueIn(fset, file) {
				t.Error(found)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("%d files were read", files)
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
}
