package release

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// older is what a release runs while its source has revision.
var older = v1beta1.ChartRevision{Name: "web", Version: "0.9.0", Digest: "sha256:0"}

func runsOlder(hr *v1beta1.HelmRelease) {
	hr.Labels = map[string]string{"region": "eu"}
	hr.Status.History = []v1beta1.Snapshot{{
		ChartName: older.Name, ChartVersion: older.Version, ChartDigest: older.Digest, Status: plan.StatusDeployed,
	}}
}

func newFreeze(name string, change ...func(*v1beta1.ReleaseFreeze)) *v1beta1.ReleaseFreeze {
	f := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: name}}
	f.Spec.Reason = "the sale"
	for _, c := range change {
		c(f)
	}
	return f
}

func TestAReleaseIsHeld(t *testing.T) {
	t.Parallel()
	until := func(after time.Duration) func(*v1beta1.ReleaseFreeze) {
		return func(f *v1beta1.ReleaseFreeze) { f.Spec.Until = &metav1.Time{Time: now.Add(after)} }
	}
	elsewhere := func(f *v1beta1.ReleaseFreeze) { f.Spec.Namespaces = []string{"infra"} }
	pipeline := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop", UID: "p"}}
	eu := metav1.LabelSelector{MatchLabels: map[string]string{"region": "eu"}}
	waves := []v1beta1.StageWave{{Name: "eu", Selector: eu}}
	pipeline.Spec.Stages = []v1beta1.PipelineStage{{Name: "prod", Waves: waves}}
	admitting := pipeline.DeepCopy()
	admitting.Status.Stages = []v1beta1.StageStatus{{Name: "prod", Wave: &v1beta1.StageWaveStatus{
		Digest: revision.Digest, Open: "eu", All: true,
	}}}
	outlet := &v1beta1.OCIRepository{ObjectMeta: named("shop-prod")}
	outlet.Labels = map[string]string{v1beta1.StageLabel: "prod", v1beta1.PipelineLabel: "p"}
	outlet.OwnerReferences = []metav1.OwnerReference{{
		Kind: v1beta1.ReleasePipelineKind, Name: "shop", UID: "p", Controller: ptr.To(true),
	}}
	outlet.Spec.Reference, outlet.Status.Chart = &v1beta1.OCIRepositoryRef{Digest: revision.Digest}, &revision
	follows := func(hr *v1beta1.HelmRelease) { hr.Spec.ChartRef.Name = "shop-prod" }
	for _, tt := range []struct {
		name    string
		release *v1beta1.HelmRelease
		objects []client.Object
		noLook  bool
		reason  string
		says    string
	}{
		{name: "nothing holds it", release: helmRelease("web", runsOlder)},
		{name: "a freeze", release: helmRelease("web", runsOlder), objects: []client.Object{newFreeze("sale")},
			reason: v1beta1.HeldByFreeze, says: "ReleaseFreeze sale; it ends when it is deleted (the sale)"},
		{name: "the freeze that ends first is named", release: helmRelease("web", runsOlder),
			objects: []client.Object{newFreeze("a", until(2*time.Hour)), newFreeze("b", until(time.Hour))},
			reason:  v1beta1.HeldByFreeze, says: "ReleaseFreeze b until 2026-03-01T13:00:00Z (the sale)"},
		{name: "a freeze that is over", release: helmRelease("web", runsOlder),
			objects: []client.Object{newFreeze("sale", until(-time.Hour))}},
		{name: "a freeze of another namespace", release: helmRelease("web", runsOlder),
			objects: []client.Object{newFreeze("sale", elsewhere)}},
		{name: "a controller that does not read freezes", release: helmRelease("web", runsOlder),
			objects: []client.Object{newFreeze("sale")}, noLook: true},
		{name: "the first install", release: helmRelease("web"), objects: []client.Object{newFreeze("sale")}},
		{name: "a freeze does not hold what a pipeline delivers", release: helmRelease("web", runsOlder, follows),
			objects: []client.Object{newFreeze("sale"), outlet, admitting}},
		{name: "a wave that is not open", release: helmRelease("web", runsOlder, follows),
			objects: []client.Object{outlet, pipeline}, reason: v1beta1.HeldByWave,
			says: "waits for wave eu of stage prod of ReleasePipeline apps/shop"},
		{name: "a pipeline that is gone", release: helmRelease("web", runsOlder, follows),
			objects: []client.Object{outlet}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHandler(t, nil, tt.objects...)
			h.noFreezes = tt.noLook
			in, err := h.gather(t.Context(), tt.release)
			if err != nil {
				t.Fatal(err)
			}
			held := tt.release.Status.Held
			if tt.reason == "" {
				if held != nil || in.Chart != revision || in.Note != "" {
					t.Errorf("it is held at %s: %+v", in.Chart, held)
				}
				return
			}
			if held == nil || held.Reason != tt.reason || held.Message != tt.says || held.ChartVersion != "1.0.0" {
				t.Errorf("status.held is %+v, want %s: %s", held, tt.reason, tt.says)
			}
			if in.Chart != older || !strings.Contains(in.Note, tt.says) {
				t.Errorf("the chart is %s, the note %q", in.Chart, in.Note)
			}
		})
	}
}

// A change of what the waves of a pipeline admit is news for releases; any other change of the pipeline is none.
func TestOtherWavesAreNews(t *testing.T) {
	t.Parallel()
	with := func(admitted ...string) *v1beta1.ReleasePipeline {
		p := &v1beta1.ReleasePipeline{}
		p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod", Waves: []v1beta1.StageWave{{Name: "eu"}}}}
		p.Status.Stages = []v1beta1.StageStatus{{Name: "prod", Wave: &v1beta1.StageWaveStatus{Admitted: admitted}}}
		return p
	}
	message, declared := with("a"), with("a")
	message.Status.Stages[0].Message = "other"
	declared.Spec.Stages[1].Waves[0].Name = "us"
	for _, tt := range []struct {
		name  string
		after *v1beta1.ReleasePipeline
		want  bool
	}{
		{"nothing", with("a"), false}, {"its message", message, false}, {"who is admitted", with("a", "b"), true},
		{"its waves", declared, true},
	} {
		if got := admitsOthers().Update(event.UpdateEvent{ObjectOld: with("a"), ObjectNew: tt.after}); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
