package release

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/release"
)

// admit checks what the spec says by itself: references that are not allowed or malformed, and expressions. What it finds
// stands until the spec changes.
func (g *gatherer) admit(hr *v1beta1.HelmRelease) error {
	if err := refs.Supported(hr); err != nil {
		return err
	}

	if choice := catalog.ChoiceOfRelease(hr); g.dependencies.OwnNamespace && choice.Namespace != hr.Namespace {
		field := "spec.chart.spec.sourceRef"
		if hr.Spec.ChartRef != nil {
			field = "spec.chartRef"
		}

		return refs.CrossNamespaceObstacle(field, fmt.Sprintf("%s %s/%s", choice.Kind, choice.Namespace, choice.Name))
	}

	if err := g.dependencies.Admit(hr); err != nil {
		return err
	}
	if err := release.CheckName(hr); err != nil {
		return refs.TerminalObstacle(v1beta1.InvalidReferenceReason, "%s", err)
	}
	if _, err := release.RollbackRequested(hr); err != nil {
		return refs.TerminalObstacle(v1beta1.InvalidReferenceReason, "%s", err)
	}

	return nil
}
