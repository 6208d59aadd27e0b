// Package cel compiles and evaluates the CEL expressions that users of the API write. It bounds what one of them may
// cost, whatever it says. It is pure.
package cel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/ext"
)

// Bounds of one evaluation.
const (
	maxCost = 100_000
	maxTime = time.Second
	// interruptEvery is after how many steps of a comprehension the time is looked at.
	interruptEvery = 100
)

// errNotBool says that an expression answers with something else than yes or no.
var errNotBool = errors.New("it does not give a bool")

// Language is CEL with a set of variables, which hold objects as they are in JSON.
type Language struct{ env *cel.Env }

// NewLanguage returns CEL with these variables.
func NewLanguage(variables ...string) (*Language, error) {
	options := make([]cel.EnvOption, 0, len(variables)+1)
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}

	options = append(options, cel.HomogeneousAggregateLiterals(), cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true), cel.OptionalTypes(), ext.Strings(), ext.Sets(), ext.Encoders())
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("setting up CEL: %w", err)
	}

	return &Language{env: env}, nil
}

// Program is a compiled expression. It may be evaluated by several goroutines at a time.
type Program struct {
	program cel.Program
	ast     *ast.AST
}

// Compile returns the program of an expression that gives a bool, or where and why it is none.
func (l *Language) Compile(text string) (*Program, error) {
	return l.compile(text, func(kind *cel.Type) error {
		if !kind.IsExactType(cel.BoolType) && !kind.IsExactType(cel.DynType) {
			return fmt.Errorf("it gives a value of type %s, want bool", cel.FormatCELType(kind))
		}
		return nil
	})
}

// CompileValue returns the program of an expression that gives a value of any type, or where and why it is none.
func (l *Language) CompileValue(text string) (*Program, error) {
	return l.compile(text, func(*cel.Type) error { return nil })
}

func (l *Language) compile(text string, accepts func(kind *cel.Type) error) (*Program, error) {
	checked, issues := l.env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		if first.Location.Line() < 1 { // it is about the expression as a whole
			return nil, errors.New(firstLine(first.Message))
		}

		return nil, fmt.Errorf("line %d, column %d: %s", first.Location.Line(), first.Location.Column()+1,
			firstLine(first.Message))
	}

	if err := accepts(checked.OutputType()); err != nil {
		return nil, err
	}

	program, err := l.env.Program(checked, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return nil, errors.New(firstLine(err.Error()))
	}

	return &Program{program: program, ast: checked.NativeRep()}, nil
}

// Holds evaluates the expression. An error says why it has no answer, and where in the expression. It quotes nothing of
// what the variables contain.
func (p *Program) Holds(ctx context.Context, variables map[string]any) (bool, error) {
	result, err := p.Value(ctx, variables)
	if err != nil {
		return false, err
	}
	holds, ok := result.(types.Bool)
	if !ok {
		return false, errNotBool
	}
	return bool(holds), nil
}

// Value evaluates the expression to a value that can be a variable of others. An error is as that of Holds.
func (p *Program) Value(ctx context.Context, variables map[string]any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	result, _, err := p.program.ContextEval(ctx, variables)
	if err != nil {
		return nil, p.fault(err)
	}
	return result, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
