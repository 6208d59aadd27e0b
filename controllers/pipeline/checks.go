package pipeline

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cel"
	"fairlead.dev/fairlead/helmops/promotion"
)

// maxExpressions is how many compiled checks are kept.
const maxExpressions = 512

// checks compiles the CEL expressions of stages, each once.
type checks struct{ programs *cel.Programs }

func newChecks() (*checks, error) {
	programs, err := cel.NewPrograms(maxExpressions, "candidate", "current", "stage", "upstream", "releases", "now")
	if err != nil {
		return nil, err
	}
	return &checks{programs: programs}, nil
}

// compiledCheck implements promotion.Predicate.
type compiledCheck struct{ *cel.Program }

// Holds implements promotion.Predicate.
func (p compiledCheck) Holds(variables map[string]any) (bool, error) {
	return p.Program.Holds(context.Background(), variables)
}

// Timed implements promotion.Predicate.
func (p compiledCheck) Timed() bool { return p.Mentions("now", "ageSeconds") }

// of are the checks of all stages, by stage. The error names the field of an expression that cannot be compiled.
func (c *checks) of(p *v1beta1.ReleasePipeline) (map[string][]promotion.Check, error) {
	found := map[string][]promotion.Check{}
	for i, s := range p.Spec.Stages {
		if s.Gates == nil {
			continue
		}
		for j, spec := range s.Gates.Checks {
			program, err := c.programs.Compile(spec.Expr)
			if err != nil {
				return nil, fmt.Errorf("spec.stages[%d].gates.checks[%d].expr: %w", i, j, err)
			}

			found[s.Name] = append(found[s.Name], promotion.Check{
				Name: spec.Name, Expression: spec.Expr, Message: spec.Message,
				FailOnError: spec.OnError == v1beta1.OnErrorFail, Predicate: compiledCheck{program},
			})
		}
	}

	return found, nil
}
