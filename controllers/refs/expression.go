package refs

import (
	"context"

	"fairlead.dev/fairlead/helmops/kube/cel"
)

// maxExpressions is how many compiled expressions are kept.
const maxExpressions = 256

// Expressions compiles CEL expressions about dependencies, each once.
type Expressions struct{ programs *cel.Programs }

// NewExpressions returns an empty set. The expressions know dep and self, both objects as they are in JSON.
func NewExpressions() (*Expressions, error) {
	programs, err := cel.NewPrograms(maxExpressions, "dep", "self")
	if err != nil {
		return nil, err
	}
	return &Expressions{programs: programs}, nil
}

// compile returns the program of an expression, or where and why it is none.
func (e *Expressions) compile(text string) (*cel.Program, error) {
	return e.programs.Compile(text)
}

// holds evaluates an expression. An error says why it has no answer; it quotes nothing of the objects.
func (e *Expressions) holds(ctx context.Context, text string, dep, self map[string]any) (bool, error) {
	program, err := e.compile(text)
	if err != nil {
		return false, err
	}
	return program.Holds(ctx, map[string]any{"dep": dep, "self": self})
}
