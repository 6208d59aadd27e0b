package expression

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
		switch node.Kind() {
		case ast.IdentKind:
			found = found || slices.Contains(names, node.AsIdent())
		case ast.SelectKind:
			found = found || slices.Contains(names, node.AsSelect().FieldName())
		case ast.LiteralKind:
			text, ok := node.AsLiteral().(types.String)
			found = found || ok && slices.Contains(names, string(text))
		}
	}))
	return found
}
