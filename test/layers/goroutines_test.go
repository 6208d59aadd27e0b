package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// production are the folders with code that runs in the controller.
var production = []string{"api", "cmd", "config", "controllers", "helmops", "sources"}

// unguarded are the places that may start a goroutine without helmops/process/guard, by file and function, with how
// many times and why.
var unguarded = map[string]struct {
	times   int
	because string
}{
	"helmops/process/guard/guard.go Go":   {1, "it is the guard"},
	"helmops/process/guard/guard.go GoOr": {1, "it is the guard"},
	"sources/bucket/download.go download": {2,
		"one does nothing that can panic, the other carries its panic to the caller; sources " +
			"does not import helmops"},
	"helmops/engine/kubeclient/drift.go Drift":      {1, "the goroutines of the group guard what they do"},
	"helmops/engine/kubeclient/preflight.go askAll": {1, "the goroutines of the group guard what they do"},
	"helmops/engine/kubeclient/write.go inBatches":  {1, "the goroutines of the group guard what they do"},
	"helmops/kustomize/apply/apply.go each":         {1, "the goroutines of the group guard what they do"},
	"helmops/view/tree.go objects":                  {1, "the goroutines of the group guard what they do"},
	"helmops/kube/tracker/tracker.go release":       {1, "the sweep only looks at maps"},
	"helmops/kube/tracker/stream.go connecting":     {1, "it compares times and wakes"},
	"helmops/kube/cluster/answers.go roundTrip":     {1, "it ends a context"},
	"helmops/kube/cluster/pool.go arm":              {1, "it closes what is idle"},
	"helmops/install/site.go NewSite":               {1, "it closes connections, in the command"},
	"sources/git/ssh.go connect":                    {1, "it closes a connection"},
	"sources/transport/body.go newWatchedBody":      {1, "it ends a context"},
	"helmops/process/worker/serve.go Serve": {1,
		"it runs in a child, whose end is an error of its task"},
	"helmops/process/worker/confine_linux.go endWithProcessorTime": {1, "it runs in a child, and ends it"},
	"helmops/process/worker/process.go run": {2,
		"one kills a child, the other lowers its priority"},
	"helmops/process/worker/pool.go put": {1, "it ends a child that is idle"},
	"cmd/fairlead/inspect.go engineOf":   {1, "it closes connections, in the command"},
	"cmd/fairlead/main.go main":          {1, "it stops listening for signals"},
}

// begins returns whether a node starts a goroutine: a go statement, the method Go of a group, or a function that is
// called later by a timer or a context.
func begins(n ast.Node) bool {
	if _, ok := n.(*ast.GoStmt); ok {
		return true
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	of, _ := selector.X.(*ast.Ident)
	switch selector.Sel.Name {
	case "Go", "TryGo":
		return of == nil || of.Name != "guard"
	case "AfterFunc":
		return true
	}
	return false
}

// goroutines counts, by function, where the code of a file starts goroutines.
func goroutines(name string, file *ast.File) map[string]int {
	found := map[string]int{}
	for _, declaration := range file.Decls {
		in := "(file)"
		if function, ok := declaration.(*ast.FuncDecl); ok {
			in = function.Name.Name
		}
		ast.Inspect(declaration, func(n ast.Node) bool {
			if begins(n) {
				found[name+" "+in]++
			}
			return true
		})
	}
	return found
}

func TestEveryGoroutineIsGuarded(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	found, files := map[string]int{}, 0
	for _, folder := range production {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			files++
			name, err := filepath.Rel(root, path)
			for place, times := range goroutines(filepath.ToSlash(name), file) {
				found[place] += times
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("only %d files were looked at", files)
	}
	for place, times := range found {
		if allowed := unguarded[place].times; times != allowed {
			t.Errorf("%s starts %d goroutines without helmops/process/guard, %d are allowed: a panic in one ends the process. "+
				"Use guard.Go or guard.GoOr, or say in this test why it cannot panic", place, times, allowed)
		}
	}
	for place := range unguarded {
		if found[place] == 0 {
			t.Errorf("%s starts no goroutine any more; remove it from the list", place)
		}
	}
}

// The test itself has to see every way to start a goroutine.
func TestGoroutinesAreFound(t *testing.T) {
	t.Parallel()
	const code = `package p
func plain() { go work() }
func group() { g.Go(work); g.TryGo(work) }
func later() { time.AfterFunc(1, work); context.AfterFunc(ctx, work) }
func inner() { f := func() { go func() { go work() }() }; f() }
func guarded() { guard.Go("x", work); guard.GoOr("x", work, fault); work() }
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := goroutines("p.go", file)
	want := map[string]int{"p.go plain": 1, "p.go group": 2, "p.go later": 2, "p.go inner": 2}
	for place, times := range want {
		if found[place] != times {
			t.Errorf("%s: %d goroutines were found, want %d", place, found[place], times)
		}
	}
	var more []string
	for place := range found {
		if want[place] == 0 {
			more = append(more, place)
		}
	}
	if slices.Sort(more); len(more) > 0 {
		t.Errorf("found goroutines in %v", more)
	}
}
