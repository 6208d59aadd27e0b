package release

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/release"
)

// admit checks what the spec says by itself: references that are not allowed or malformed, and expressions. What it finds
// stands until the spec changes.
func (g *gatherer) admit(hr *v1beta1.HelmRelease) error {
	if choice := source.ChoiceOfRelease(hr); g.ownNamespace && choice.Namespace != hr.Namespace {
		field := "spec.chart.spec.sourceRef"
		if hr.Spec.ChartRef != nil {
			field = "spec.chartRef"
		}
		return foreign(field, fmt.Sprintf("%s %s/%s", choice.Kind, choice.Namespace, choice.Name))
	}
	for i, reference := range hr.Spec.DependsOn {
		field := fmt.Sprintf("spec.dependsOn[%d]", i)
		kind, err := reference.GetGroupVersionKind(v1beta1.HelmReleaseKind)
		if err != nil {
			return refused(v1beta1.InvalidReferenceReason, "%s: %s", field, err)
		}
		if key := reference.GetKey(hr.Namespace); g.ownNamespace && key.Namespace != hr.Namespace {
			return foreign(field, kind.Kind+" "+key.String())
		}
		if reference.ReadyExpr == "" {
			continue
		}
		if _, err := g.expressions.compile(reference.ReadyExpr); err != nil {
			return refused(v1beta1.InvalidCELExpressionReason, "%s.readyExpr cannot be used: %s", field, err)
		}
	}
	if _, err := release.RollbackRequested(hr); err != nil {
		return refused(v1beta1.InvalidReferenceReason, "%s", err)
	}
	return nil
}

func foreign(field, what string) error {
	return refused(v1beta1.AccessDeniedReason,
		"%s names %s in another namespace, which this installation does not allow (--no-cross-namespace-refs)", field, what)
}
