package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/window"
	"fairlead.dev/fairlead/sources"
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
		if _, err := shareOf(s.MinVerified); err != nil {
			return fmt.Errorf("%s.minVerified: %w", field, err)
		}
		if err := checkGates(s.Gates, field+".gates"); err != nil {
			return err
		}
		if err := checkSigned(p.Spec.Subject.SourceRef.Kind, s.Gates, field+".gates"); err != nil {
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

	if fields := g.Verify.Unsupported(field + ".verify"); len(fields) > 0 {
		return sources.Stall(v1beta1.UnsupportedReason, nil, "%s is not supported; nothing is done until the spec does "+
			"without it", strings.Join(fields, ", "))
	}

	if g.Range != "" {
		if _, err := semver.NewConstraint(g.Range); err != nil {
			return fmt.Errorf("%s.range %q is no version range", field, g.Range)
		}
	}

	if _, err := window.NewCalendar(windowsOf(g)); err != nil {
		return fmt.Errorf("%s.%w", field, err)
	}

	return nil
}

// checkSigned refuses gates that ask for signatures of what has none: a directory in Git is covered by the signature of
// its commit or tag, which the GitRepository itself checks.
func checkSigned(kind string, g *v1beta1.StageGates, field string) error {
	if g == nil || kind != v1beta1.GitRepositoryKind {
		return nil
	}

	switch {
	case g.Verify != nil:
		field += ".verify"
	case len(g.Attestations) > 0:
		field += ".attestations"
	default:
		return nil
	}

	return sources.Stall(v1beta1.UnsupportedReason, nil, "%s does not go with a GitRepository, whose charts have no "+
		"signatures of their own; spec.verify of the GitRepository checks those of commits and tags", field)
}

// quorum names the first stage that has to know for sure who approves: it wants more than one approver, or approvers
// of groups. It is empty for none.
func quorum(p *v1beta1.ReleasePipeline) string {
	for _, s := range p.Spec.Stages {
		if s.Gates != nil && s.Gates.Approval != nil &&
			(s.Gates.Approval.Count > 1 || len(s.Gates.Approval.Groups) > 0) {
			return s.Name
		}
	}
	return ""
}
