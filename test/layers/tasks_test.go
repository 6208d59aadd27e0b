package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"testing"
)

// The actions of releases and of Kustomizations have their objects reconciled first when they end: of a thousand
// objects that change at the same time, those that are done would otherwise wait until all others were looked at.
func TestActionsThatEndWakeFirst(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"release", "kustomization"} {
		path := filepath.Join("..", "..", "controllers", name, "setup.go")
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var wakes []string
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isTasksOf(call.Fun, "actionResult") {
				if wake, ok := call.Args[1].(*ast.SelectorExpr); ok {
					wakes = append(wakes, wake.Sel.Name)
				}
			}
			return true
		})
		if len(wakes) != 1 || wakes[0] != "WakeFirst" {
			t.Errorf("%s: the actions wake by %v, want WakeFirst", path, wakes)
		}
	}
}

// isTasksOf reports whether a function is loop.NewTasks of a type.
func isTasksOf(function ast.Expr, of string) bool {
	generic, ok := function.(*ast.IndexExpr)
	if !ok {
		return false
	}
	selector, ok := generic.X.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "NewTasks" {
		return false
	}
	result, ok := generic.Index.(*ast.Ident)
	return ok && result.Name == of
}
