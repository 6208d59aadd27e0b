package release

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/values"
)

// A release takes a chart and shared values only when its stage has the two together; before that, and before its wave,
// it keeps the chart and the shared values that it has.
func TestChartAndSharedValuesComeTogether(t *testing.T) {
	t.Parallel()
	before, after := map[string]any{"color": "crimson"}, map[string]any{"color": "blue"}
	document := func(name, content string) client.Object {
		return &corev1.ConfigMap{ObjectMeta: named(name), Data: map[string]string{"values.yaml": content}}
	}
	pipeline := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop", UID: "p"}}
	pipeline.Spec.Stages = []v1beta1.PipelineStage{{Name: "prod"}}
	pipeline.Status.Stages = []v1beta1.StageStatus{{Name: "prod", Delivery: &v1beta1.StageDelivery{
		PipelineCandidate: v1beta1.PipelineCandidate{
			Version: "1.0.0", Digest: revision.Digest, ValuesDigest: values.Digest(after),
		},
	}}}
	waiting := pipeline.DeepCopy()
	waiting.Spec.Stages[0].Waves = []v1beta1.StageWave{{Name: "eu"}}
	kept := document(pipeline.SharedValuesName(values.Digest(before)), "color: crimson")
	outlet := func(chart v1beta1.ChartRevision) client.Object {
		o := &v1beta1.OCIRepository{ObjectMeta: named("shop-prod")}
		o.Labels = map[string]string{v1beta1.StageLabel: "prod"}
		o.OwnerReferences = []metav1.OwnerReference{{
			Kind: v1beta1.ReleasePipelineKind, Name: "shop", UID: "p", Controller: ptr.To(true),
		}}
		o.Spec.Reference, o.Status.Chart = &v1beta1.OCIRepositoryRef{Digest: chart.Digest}, &chart
		return o
	}
	red, blue := document("shop-prod", "color: crimson"), document("shop-prod", "color: blue")
	runs := func(hr *v1beta1.HelmRelease) {
		runsOlder(hr)
		hr.Status.SharedValues = &v1beta1.SharedValues{Digest: values.Digest(before), ConfigDigest: "config"}
	}
	for _, tt := range []struct {
		name    string
		change  func(*v1beta1.HelmRelease)
		objects []client.Object
		// chart and color are what it takes, held the reason of the hold, says what the error says.
		chart, color, held, says string
	}{
		{name: "both are there", change: runs, objects: []client.Object{outlet(revision), blue, kept, pipeline},
			chart: "1.0.0", color: "blue"},
		{name: "the chart came first", change: runs, objects: []client.Object{outlet(revision), red, kept, pipeline},
			chart: "0.9.0", color: "crimson", held: v1beta1.HeldByValues},
		{name: "the values came first", change: runs, objects: []client.Object{outlet(older), blue, kept, pipeline},
			chart: "0.9.0", color: "crimson", held: v1beta1.HeldByValues},
		{name: "nothing came yet", change: runs, objects: []client.Object{outlet(older), red, pipeline},
			chart: "0.9.0", color: "crimson"},
		{name: "its wave is not open", change: runs, objects: []client.Object{outlet(revision), blue, kept, waiting},
			chart: "0.9.0", color: "crimson", held: v1beta1.HeldByWave},
		{name: "the values that it has are gone", change: runs, objects: []client.Object{outlet(revision), red, pipeline},
			says: "does not have the shared values that the release has"},
		{name: "a first install", change: func(*v1beta1.HelmRelease) {},
			objects: []client.Object{outlet(revision), blue, waiting}, chart: "1.0.0", color: "blue"},
		{name: "a first install with half of it", change: func(*v1beta1.HelmRelease) {},
			objects: []client.Object{outlet(revision), red, pipeline}, says: "waits until the source and the ConfigMap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := helmRelease("web", tt.change, from(v1beta1.ValuesReference{Kind: "ConfigMap", Name: "shop-prod"}))
			hr.Spec.ChartRef.Name = "shop-prod"
			in, err := newHandler(t, nil, tt.objects...).gather(t.Context(), hr)
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "crimson") {
					t.Errorf("it says %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			held := ""
			if hr.Status.Held != nil {
				held = hr.Status.Held.Reason
			}
			if in.Chart.Version != tt.chart || in.Values["color"] != tt.color || held != tt.held {
				t.Errorf("it takes %s with %v, held: %q", in.Chart.Version, in.Values, held)
			}
			if got := in.Shared; got != values.Digest(in.Values) {
				t.Errorf("the shared values are %s", got)
			}
			if began := in.Unheld(in); began.Chart.Digest != in.Chart.Digest || began.Shared != in.Shared {
				t.Errorf("a step that was begun with %s is taken for one with %s", in.Chart, began.Chart)
			}
		})
	}
}

// Another candidate with shared values is news for the releases of a stage.
func TestOtherSharedValuesAreNews(t *testing.T) {
	t.Parallel()
	with := func(digest string) *v1beta1.ReleasePipeline {
		p := &v1beta1.ReleasePipeline{}
		p.Status.Stages = []v1beta1.StageStatus{{Name: "prod", Delivery: &v1beta1.StageDelivery{
			PipelineCandidate: v1beta1.PipelineCandidate{Digest: "sha256:1", ValuesDigest: digest},
		}}}
		return p
	}
	for digest, want := range map[string]bool{"a": false, "b": true} {
		if got := admitsOthers().Update(event.UpdateEvent{ObjectOld: with("a"), ObjectNew: with(digest)}); got != want {
			t.Errorf("%s: %t", digest, got)
		}
	}
}
