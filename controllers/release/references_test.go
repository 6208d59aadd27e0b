package release

import (
	"errors"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
)

func depends(references ...v1beta1.DependencyReference) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.DependsOn = references }
}

func TestAdmit(t *testing.T) {
	elsewhere := func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Namespace = "infra" }
	template := func(hr *v1beta1.HelmRelease) {
		hr.Spec.ChartRef = nil
		hr.Spec.Chart = &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart: "web", SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Namespace: "infra", Name: "charts"},
		}}
	}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		open    bool // references to other namespaces are allowed
		reason  string
		message string
	}{
		{name: "the own namespace", release: helmRelease("web", depends(v1beta1.DependencyReference{Name: "db", Namespace: "apps"}))},
		{name: "other namespaces, where they are allowed", open: true, release: helmRelease("web", elsewhere, depends(v1beta1.DependencyReference{Name: "db", Namespace: "infra"}))},
		{name: "a chart elsewhere", release: helmRelease("web", elsewhere), reason: v1beta1.AccessDeniedReason,
			message: "spec.chartRef names OCIRepository infra/web in another namespace"},
		{name: "a source elsewhere", release: helmRelease("web", template), reason: v1beta1.AccessDeniedReason,
			message: "spec.chart.spec.sourceRef names HelmRepository infra/charts in another namespace"},
		{name: "values elsewhere", reason: v1beta1.AccessDeniedReason,
			message: "spec.valuesFrom[1] names GitRepository infra/config in another namespace",
			release: helmRelease("web", from(
				v1beta1.ValuesReference{Kind: "ConfigMap", Name: "config"},
				v1beta1.ValuesReference{Kind: v1beta1.GitRepositoryKind, Namespace: "infra", Name: "config", Path: "a.yaml"}))},
		{name: "values elsewhere, where they are allowed", open: true, release: helmRelease("web", from(
			v1beta1.ValuesReference{Kind: v1beta1.BucketKind, Namespace: "infra", Name: "config", Path: "a.yaml"}))},
		{name: "a dependency elsewhere", reason: v1beta1.AccessDeniedReason, message: "spec.dependsOn[1] names Service infra/db in another namespace",
			release: helmRelease("web", depends(v1beta1.DependencyReference{Name: "a"}, v1beta1.DependencyReference{APIVersion: "v1", Kind: "Service", Name: "db", Namespace: "infra"}))},
		{name: "a malformed apiVersion", release: helmRelease("web", depends(v1beta1.DependencyReference{APIVersion: "a/b/c", Name: "a"})),
			reason: v1beta1.InvalidReferenceReason, message: `spec.dependsOn[0]: apiVersion "a/b/c" is not of the form group/version`},
		{name: "a name that Helm refuses", release: helmRelease("web", func(hr *v1beta1.HelmRelease) { hr.Spec.ReleaseName = "Bad_Name" }),
			reason: v1beta1.InvalidReferenceReason, message: `"Bad_Name" cannot be the name of a Helm release: `},
		{name: "an expression", release: helmRelease("web", depends(v1beta1.DependencyReference{Name: "a", ReadyExpr: "dep.spec == self.spec"}))},
		{name: "a broken expression", reason: v1beta1.InvalidCELExpressionReason, message: "spec.dependsOn[1].readyExpr cannot be used: line 2, column 4: ",
			release: helmRelease("web", depends(v1beta1.DependencyReference{Name: "a"}, v1beta1.DependencyReference{Name: "b", ReadyExpr: "true &&\n   other"}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, nil)
			h.dependencies.OwnNamespace = !tt.open
			err := h.admit(tt.release)
			if tt.reason == "" {
				if err != nil {
					t.Errorf("error = %v", err)
				}
				return
			}
			var known *refs.ObstacleError
			if !errors.As(err, &known) || !known.Final || known.Reason != tt.reason || !strings.HasPrefix(known.Message, tt.message) {
				t.Errorf("error = %v, want a final %s: %s", err, tt.reason, tt.message)
			}
		})
	}
}
