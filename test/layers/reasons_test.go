package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ofEvents are the reasons that only events have, and that no condition can have.
var ofEvents = []string{
	"AdoptedReason", "FieldsDroppedReason", "KeptReason", "NotPrunedReason", "ObjectsSyncedReason",
	"OrphanedReason", "RepublishedReason",
	"SyncWindowOverriddenReason", "TagMovedReason",
	"WarningReceivedReason",
}

// ofPlans are the reasons that only plans have, with the one function that may make such a plan. Before a plan of a
// suspended object would reach a condition, the controller of releases returns.
var ofPlans = map[string]string{"SuspendedReason": "helmops/plan/pass.go suspended"}

// use is where code uses a reason.
type use struct {
	reason, function string
	// event is set when the reason becomes that of an event, and of nothing else.
	event bool
}

// usesOf finds where a file uses constants of the API whose names end with Reason.
func usesOf(name string, file *ast.File) (out []use) {
	for _, declaration := range file.Decls {
		in := "(file)"
		if function, ok := declaration.(*ast.FuncDecl); ok {
			in = function.Name.Name
		}
		var above []ast.Node
		ast.Inspect(declaration, func(n ast.Node) bool {
			if n == nil {
				above = above[:len(above)-1]
				return true
			}
			if selector, ok := n.(*ast.SelectorExpr); ok && strings.HasSuffix(selector.Sel.Name, "Reason") {
				if of, ok := selector.X.(*ast.Ident); ok && of.Name == "v1beta1" {
					out = append(out, use{reason: selector.Sel.Name, function: name + " " + in, event: isOfEvent(above)})
				}
			}
			above = append(above, n)
			return true
		})
	}
	return out
}

// isOfEvent reports whether the nodes above an expression make it the reason of an event: it is the field Reason of a
// composite literal of type Event, or an argument of Eventf.
func isOfEvent(above []ast.Node) bool {
	if len(above) == 0 {
		return false
	}
	switch parent := above[len(above)-1].(type) {
	case *ast.CallExpr:
		called, ok := parent.Fun.(*ast.SelectorExpr)
		return ok && called.Sel.Name == "Eventf"
	case *ast.KeyValueExpr:
		key, ok := parent.Key.(*ast.Ident)
		if !ok || key.Name != "Reason" || len(above) < 2 {
			return false
		}
		literal, ok := above[len(above)-2].(*ast.CompositeLit)
		return ok && typeName(literal.Type) == "Event"
	default:
		return false
	}
}

// typeName is the name of a type without its package; empty for one that has none.
func typeName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.SelectorExpr:
		return of.Sel.Name
	default:
		return ""
	}
}

// faultsOf names the uses of reasons that events or plans alone may have, where they could become those of a
// condition.
func faultsOf(uses []use) (out []string) {
	seen := map[string]bool{}
	for _, u := range uses {
		seen[u.reason] = true
		if slices.Contains(ofEvents, u.reason) && !u.event {
			out = append(out, u.function+" uses "+u.reason+" for something else than an event")
		}
		if place, is := ofPlans[u.reason]; is && u.function != place {
			out = append(out, u.function+" uses "+u.reason+", which is for "+place+" alone")
		}
	}
	for _, reason := range append(slices.Collect(maps.Keys(ofPlans)), ofEvents...) {
		if !seen[reason] {
			out = append(out, "nothing uses "+reason)
		}
	}
	return out
}

// No condition can have a reason that is said to be of events, or of plans, only.
func TestReasonsOfEventsAreOfNoCondition(t *testing.T) {
	var uses []use
	for _, folder := range production {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(filepath.Join("..", ".."), path)
			uses = append(uses, usesOf(filepath.ToSlash(name), file)...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range faultsOf(uses) {
		t.Error(fault)
	}
}

// The check finds a reason of events that a condition gets, and one of plans in another place.
func TestReasonsOfEventsAreFound(t *testing.T) {
	const code = `package a
func good() { tell(status.Event{Warning: true, Reason: v1beta1.KeptReason}); r.Eventf(o, v1beta1.RepublishedReason) }
func moved() { r.Eventf(o, v1beta1.TagMovedReason) }
func too() Event { return Event{Reason: v1beta1.FieldsDroppedReason} }
func spared() Event { return Event{Action: "Prune", Reason: v1beta1.NotPrunedReason} }
func synced() Event { return Event{Reason: v1beta1.ObjectsSyncedReason} }
func more() Event { return Event{Warning: true, Reason: v1beta1.WarningReceivedReason, Message: "a"} }
func overridden() Event { return Event{Reason: v1beta1.SyncWindowOverriddenReason} }
func direct() { w.set(v1beta1.ReadyCondition, v1beta1.AdoptedReason) }
func failure() { return &status.Failure{Reason: v1beta1.OrphanedReason} }
func aside() { reason := v1beta1.KeptReason }
func plans() { return Plan{Reason: v1beta1.SuspendedReason} }
`
	file, err := parser.ParseFile(token.NewFileSet(), "a.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.go direct uses AdoptedReason for something else than an event",
		"a.go failure uses OrphanedReason for something else than an event",
		"a.go aside uses KeptReason for something else than an event",
		"a.go plans uses SuspendedReason, which is for helmops/plan/pass.go suspended alone",
	}
	if got := faultsOf(usesOf("a.go", file)); !slices.Equal(got, want) {
		t.Errorf("the check finds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
