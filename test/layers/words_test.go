package layers

import (
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

// vague are words that do not say who acts. Messages and pages name the controller, the command or the user instead.
var vague = regexp.MustCompile(`(?i)\b(work goes on|goes on|gone on)\b`)

// vagueIn returns the string literals of a file that have such words, with their lines.
func vagueIn(fset *token.FileSet, file *ast.File) (out []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if ok && literal.Kind == token.STRING && vague.MatchString(literal.Value) {
			out = append(out, fset.Position(literal.Pos()).String()+": "+literal.Value)
		}
		return true
	})
	return out
}

func TestMessagesSayWhoActs(t *testing.T) {
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
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
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
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 || len(pages) < 10 {
		t.Fatalf("%d files and %d pages were read", files, len(pages))
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range vague.FindAllString(string(text), -1) {
			t.Errorf("%s says %q", page, found)
		}
	}
}

func TestVagueWordsAreFound(t *testing.T) {
	t.Parallel()
	const code = "package p\n\n" +
		"var a, b, c = \"work goes on when it is there\", `it Goes on`, \"cargoes on board\" // goes on\n"
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if found := vagueIn(fset, file); len(found) != 2 {
		t.Errorf("found %q", found)
	}
}
