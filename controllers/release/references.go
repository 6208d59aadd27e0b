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

	if g.dependencies.OwnNamespace {
		if err := inOwnNamespace(hr); err != nil {
			return err
		}
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

// inOwnNamespace refuses sources of the chart and of values in other namespaces.
func inOwnNamespace(hr *v1beta1.HelmRelease) error {
	if choice := catalog.ChoiceOfRelease(hr); choice.Namespace != hr.Namespace {
		field := "spec.chart.spec.sourceRef"
		if hr.Spec.ChartRef != nil {
			field = "spec.chartRef"
		}

		return refs.CrossNamespaceObstacle(field, choice.Source().String())
	}

	for i, reference := range hr.Spec.ValuesFrom {
		choice := catalog.ChoiceOfValues(hr, reference)
		if reference.IsSource() && choice.Namespace != hr.Namespace {
			return refs.CrossNamespaceObstacle(fmt.Sprintf("spec.valuesFrom[%d]", i), choice.Source().String())
		}
	}

	return nil
}
