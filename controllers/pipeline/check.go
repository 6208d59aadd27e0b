package pipeline

import (
	"fmt"
	"slices"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// check says what is wrong with a spec that the API server takes.
func check(p *v1beta1.ReleasePipeline) error {
	var earlier []string
	for i, s := range p.Spec.Stages {
		field := fmt.Sprintf("spec.stages[%d]", i)
		for _, from := range s.From {
			if !slices.Contains(earlier, from) {
				return fmt.Errorf("%s.from names %q, which is no earlier stage", field, from)
			}
		}
		earlier = append(earlier, s.Name)
		if err := checkGates(s.Gates, field+".gates"); err != nil {
			return err
		}
		if err := checkWaves(s.Waves, field+".waves"); err != nil {
			return err
		}
	}
	return nil
}

func checkGates(g *v1beta1.StageGates, field string) error {
	if g == nil {
		return nil
	}
	if g.Range != "" {
		if _, err := semver.NewConstraint(g.Range); err != nil {
			return fmt.Errorf("%s.range %q is no version range", field, g.Range)
		}
	}
	for i, w := range g.Windows {
		window := promotion.Window{Cron: w.Cron, Duration: w.Duration.Duration, TimeZone: w.TimeZone}
		if err := window.Check(); err != nil {
			return fmt.Errorf("%s.windows[%d]: %w", field, i, err)
		}
	}
	return nil
}

// quorum names the first stage that wants more than one approver; empty for none.
func quorum(p *v1beta1.ReleasePipeline) string {
	for _, s := range p.Spec.Stages {
		if s.Gates != nil && s.Gates.Approvers > 1 {
			return s.Name
		}
	}
	return ""
}
