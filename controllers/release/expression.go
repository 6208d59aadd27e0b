package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
	"k8s.io/utils/lru"
)

// Bounds of expressions, which are written by users of the API: how many compiled ones are kept, and what one evaluation may
// take.
const (
	maxExpressions    = 256
	expressionCost    = 100_000
	expressionTimeout = time.Second
	// interruptEvery is after how many steps of a comprehension the time is looked at.
	interruptEvery = 100
)

// errNotBool says that an expression answers with something else than yes or no.
var errNotBool = errors.New("it does not give a bool")

// expressions compiles CEL expressions, each once.
type expressions struct {
	env      *cel.Env
	compiled *lru.Cache // of compiled, by text
}

type compiled struct {
	program cel.Program
	err     error
}

// newExpressions returns an empty set. The expressions know dep and self, both objects as they are in JSON.
func newExpressions() (*expressions, error) {
	env, err := cel.NewEnv(
		cel.Variable("dep", cel.DynType), cel.Variable("self", cel.DynType),
		cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true), cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(),
		ext.Strings(), ext.Sets(), ext.Encoders(),
	)
	if err != nil {
		return nil, fmt.Errorf("setting up CEL: %w", err)
	}
	return &expressions{env: env, compiled: lru.New(maxExpressions)}, nil
}

// compile returns the program of an expression, or where and why it is none.
func (e *expressions) compile(text string) (cel.Program, error) {
	if known, ok := e.compiled.Get(text); ok {
		return known.(compiled).program, known.(compiled).err
	}
	program, err := e.build(text)
	e.compiled.Add(text, compiled{program, err})
	return program, err
}

func (e *expressions) build(text string) (cel.Program, error) {
	ast, issues := e.env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		if first.Location.Line() < 1 { // it is about the expression as a whole
			return nil, errors.New(firstLine(first.Message))
		}
		return nil, fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1, firstLine(first.Message))
	}
	if kind := ast.OutputType(); !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("it gives a value of type %s, want bool", cel.FormatCELType(kind))
	}
	program, err := e.env.Program(ast, cel.CostLimit(expressionCost), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, errors.New(firstLine(err.Error()))
	}
	return program, nil
}

// holds evaluates an expression. An error says why it has no answer; it may quote what the objects contain.
func (e *expressions) holds(ctx context.Context, text string, dep, self map[string]any) (bool, error) {
	program, err := e.compile(text)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, expressionTimeout)
	defer cancel()
	result, _, err := program.ContextEval(ctx, map[string]any{"dep": dep, "self": self})
	if err != nil {
		return false, errors.New(firstLine(err.Error()))
	}
	holds, ok := result.(types.Bool)
	if !ok {
		return false, errNotBool
	}
	return bool(holds), nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
