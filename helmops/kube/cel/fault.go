package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// noKey is how CEL begins to say that a map has no key, which it then names. The key can be a value of a variable.
const noKey = "no such key"

// faults are how CEL begins to say why an expression has no answer, each with what is said instead. Behind it, CEL
// quotes values. They are those of github.com/google/cel-go v0.29: common/types, interpreter and cel;
// TestErrorsQuoteNoValue provokes them.
var faults = []struct{ begins, words string }{
	{noKey, noKey},
	{"no such attribute", "no such variable or field"},
	{"no such field", "no such field"},
	{"no such overload", "an operator or function does not take values of these types"},
	{"index", "an index is out of range"},
	{"division by zero", "division by zero"},
	{"modulus by zero", "division by zero"},
	{"type conversion error", "a value cannot be converted to this type"},
	{"unsupported", "a value of this type is not supported"},
	{"optional.none() dereference", "an optional value is not there"},
	{"operation cancelled: actual cost limit exceeded", "cost limit exceeded"},
	{"operation interrupted", "time limit exceeded"},
}

// fault words why an expression has no answer: the kind of error and its place, and the field where the expression
// itself names it.
func (p *Program) fault(err error) error {
	words := "it has no answer"
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		words = "time limit exceeded"
	}

	for _, f := range faults {
		if strings.HasPrefix(text, f.begins) {
			words = f.words
			break
		}
	}

	if strings.Contains(text, "overflow") && words == "it has no answer" {
		words = "a number is too large"
	}

	var at *types.Err
	if !errors.As(err, &at) || at.NodeID() == 0 {
		return errors.New(words)
	}
	if name := strings.TrimPrefix(text, noKey+": "); words == noKey && p.selects(at.NodeID(), name) {
		words += ": " + name
	}

	place := p.ast.SourceInfo().GetStartLocation(at.NodeID())
	if place.Line() < 1 {
		return errors.New(words)
	}

	return fmt.Errorf("line %d, column %d: %s", place.Line(), place.Column()+1, words)
}

// selects reports whether a node of the expression selects a field of that name, on a way that only the expression
// decides: a.b.c, but not a[b].c, whose key can be a value.
func (p *Program) selects(id int64, name string) bool {
	found := false
	ast.PostOrderVisit(p.ast.Expr(), ast.NewExprVisitor(func(node ast.Expr) {
		if node.ID() == id {
			found = static(node, name)
		}
	}))
	return found
}

// static reports whether a node is a chain of selections that begins at a variable, and one of them is of that field.
func static(node ast.Expr, name string) bool {
	is := false
	for node.Kind() == ast.SelectKind {
		is = is || node.AsSelect().FieldName() == name
		node = node.AsSelect().Operand()
	}
	return is && node.Kind() == ast.IdentKind
}
