package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// With the strategy ChartVersion, other bytes of a chart from Git are no news, but other values files are.
func TestValuesFilesAreInputWhateverTheStrategy(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	hr.Spec.Chart = &v1beta1.HelmChartTemplate{}
	hr.Spec.Chart.Spec.SourceRef.Kind = v1beta1.GitRepositoryKind
	begun := Inputs{Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1", ValuesDigest: "sha256:a"}}
	otherBytes, otherFiles := begun, begun
	otherBytes.Chart.Digest = "sha256:2"
	otherFiles.Chart.Digest, otherFiles.Chart.ValuesDigest = "sha256:3", "sha256:b"

	if workOf(hr, plan.Plan{}, begun, nil).Differs(otherBytes) || configDigestOf(hr, begun) != configDigestOf(hr, otherBytes) {
		t.Error("other bytes of the chart are other input")
	}
	if !workOf(hr, plan.Plan{}, begun, nil).Differs(otherFiles) || configDigestOf(hr, begun) == configDigestOf(hr, otherFiles) {
		t.Error("other values files are the same input")
	}
}
