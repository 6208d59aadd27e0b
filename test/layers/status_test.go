package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// writers are the packages that may assign to the status of objects.
var writers = []string{"api", "helmops/status"}

// statusWritesOf returns the assignments of a file to a field of a status, with their places.
func statusWritesOf(fset *token.FileSet, file *ast.File) (out []string) {
	note := func(to ast.Expr) {
		if isOfStatus(to) {
			out = append(out, fset.Position(to.Pos()).String())
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				note(to)
			}
		case *ast.IncDecStmt:
			note(n.X)
		case *ast.CallExpr:
			if of, ok := n.Fun.(*ast.SelectorExpr); ok && of.Sel.Name == "SetObservedGeneration" {
				out = append(out, fset.Position(n.Pos()).String())
			}
		}
		return true
	})
	return out
}

// isOfStatus reports whether an expression is a field below one that is called Status.
func isOfStatus(to ast.Expr) bool {
	below := false
	for {
		switch at := to.(type) {
		case *ast.SelectorExpr:
			if at.Sel.Name == "Status" {
				return below
			}
			below = true
			to = at.X
		case *ast.IndexExpr:
			below = true
			to = at.X
		case *ast.StarExpr:
			to = at.X
		case *ast.ParenExpr:
			to = at.X
		default:
			return false
		}
	}
}

// One package writes the status of objects, so that its code shows every value that a field can have.
func TestStatusIsWrittenInOnePlace(t *testing.T) {
	t.Parallel()
	files := 0
	for _, folder := range production {
		root := filepath.Join("..", "..")
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			in, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil || anyWithin(filepath.ToSlash(in), writers) {
				return err
			}
			files++
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, at := range statusWritesOf(fset, file) {
				t.Errorf("%s writes a status; give helmops/status a function for it", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("only %d files were read", files)
	}
}

func TestStatusWritesAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, statement string
		want            int
	}{
		{name: "a field", statement: "k.Status.Failures = 1", want: 1},
		{name: "a field of a field", statement: "k.Status.Released.WaitsFor = nil", want: 1},
		{name: "two fields", statement: "k.Status.A, k.Status.B = 1, 2", want: 2},
		{name: "an element", statement: "k.Status.Stages[0].Held = x", want: 1},
		{name: "what a pointer points to", statement: "*k.Status.Released = x", want: 1},
		{name: "a count", statement: "k.Status.Failures++", want: 1},
		{name: "a generation", statement: "k.SetObservedGeneration(1)", want: 1},
		{name: "a status that is a word", statement: "record.Status = failed"},
		{name: "what is read", statement: "x := k.Status.Failures"},
		{name: "a comparison", statement: "_ = k.Status.Failures == 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fset := token.NewFileSet()
			text := "package p\nfunc f() {\n" + tt.statement + "\n}\n"
			file, err := parser.ParseFile(fset, "p.go", text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := statusWritesOf(fset, file); len(got) != tt.want {
				t.Errorf("found %v, want %d", got, tt.want)
			}
		})
	}
}
