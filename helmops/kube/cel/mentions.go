package cel

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Mentions reports whether the expression has one of the names as a variable, a field or a text. It can be true of an
// expression that does not depend on the name.
func (p *Program) Mentions(names ...string) bool {
	found := false
	ast.PostOrderVisit(p.ast.Expr(), ast.NewExprVisitor(func(node ast.Expr) {
		found = found || slices.Contains(names, named(node))
	}))
	return found
}

// named is the variable, field or text that a node is; empty for any other.
func named(node ast.Expr) string {
	switch node.Kind() {
	case ast.IdentKind:
		return node.AsIdent()
	case ast.SelectKind:
		return node.AsSelect().FieldName()
	case ast.LiteralKind:
		text, _ := node.AsLiteral().(types.String)
		return string(text)
	default:
		return ""
	}
}
