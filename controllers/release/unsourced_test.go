package release

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/plan"
)

// A release that runs as declared keeps its chart when its source is not supported any more; nothing else takes the
// chart from there.
func TestTheChartOfASourceThatIsNotSupported(t *testing.T) {
	t.Parallel()
	cloud := &v1beta1.OCIRepository{ObjectMeta: named("cloud")}
	cloud.Spec.Provider = "gcp"
	cloud.Status.Chart = &v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1",
		ValuesDigest: "sha256:v"}
	h := newHandler(t, nil, cloud)
	runs := func(hr *v1beta1.HelmRelease) {
		hr.Generation = 3
		hr.Status.History = []v1beta1.Snapshot{{
			Status: plan.StatusDeployed, ChartName: "web", ChartVersion: "1.0.0", ChartDigest: "sha256:1",
		}}
		hr.Status.Conditions = []metav1.Condition{{
			Type: v1beta1.ReleasedCondition, Status: metav1.ConditionTrue, ObservedGeneration: 3,
		}}
	}
	for name, tt := range map[string]struct {
		change func(*v1beta1.HelmRelease)
		want   v1beta1.ChartRevision
	}{
		"a release that runs": {change: func(*v1beta1.HelmRelease) {}, want: *cloud.Status.Chart},
		"a release that was not installed": {change: func(hr *v1beta1.HelmRelease) {
			hr.Status = v1beta1.HelmReleaseStatus{}
		}},
		"a release whose spec changed": {change: func(hr *v1beta1.HelmRelease) { hr.Generation = 4 }},
		"a release that failed": {change: func(hr *v1beta1.HelmRelease) {
			hr.Status.Conditions[0].Status = metav1.ConditionFalse
		}},
		"a release that was rolled back": {change: func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].Action = string(plan.Rollback)
		}},
		"a release of another chart than the source has": {change: func(hr *v1beta1.HelmRelease) {
			hr.Status.History[0].ChartDigest = "sha256:0"
		}, want: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hr := helmRelease("web", runs, tt.change)
			hr.Spec.ChartRef.Name = "cloud"
			in, err := h.gather(t.Context(), hr)
			cause := in.Unsourced
			if tt.want == (v1beta1.ChartRevision{}) {
				cause = err
			} else if err != nil {
				t.Fatal(err)
			}
			var known *refs.ObstacleError
			if !errors.As(cause, &known) || known.Reason != v1beta1.SourceNotReadyReason ||
				!strings.Contains(known.Message, "spec.provider gcp is not supported") {
				t.Errorf("cause %v", cause)
			}
			if in.Chart != tt.want {
				t.Errorf("chart %+v, want %+v", in.Chart, tt.want)
			}
		})
	}
}
