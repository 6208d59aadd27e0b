package pipeline

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

func TestLimitOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value   any
		limit   int
		percent bool
		fails   bool
	}{
		{value: nil},
		{value: 1, limit: 1},
		{value: 100, limit: 100},
		{value: 0, fails: true},
		{value: -1, fails: true},
		{value: 101, fails: true},
		{value: "25%", limit: 25, percent: true},
		{value: "100%", limit: 100, percent: true},
		{value: "0%", fails: true},
		{value: "101%", fails: true},
		{value: "25", fails: true},
		{value: "many%", fails: true},
	} {
		var value *intstr.IntOrString
		switch v := tt.value.(type) {
		case int:
			read := intstr.FromInt32(int32(v)) //nolint:gosec // the values above
			value = &read
		case string:
			read := intstr.FromString(v)
			value = &read
		}
		limit, percent, err := limitOf(value)
		if limit != tt.limit || percent != tt.percent || (err != nil) != tt.fails {
			t.Errorf("%v: %d, %t, %v", tt.value, limit, percent, err)
		}
	}
}

func TestCheckWaves(t *testing.T) {
	t.Parallel()
	zero := intstr.FromInt32(0)
	unreadable := metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "region", Operator: "Near"}},
	}
	for _, tt := range []struct {
		name string
		wave v1beta1.StageWave
		want string
	}{
		{"no limit", v1beta1.StageWave{Name: "eu"}, ""},
		{"a limit of nothing", v1beta1.StageWave{Name: "eu", MaxUnavailable: &zero},
			"waves[0].maxUnavailable has to be a number from 1 to 100 or a percentage"},
		{"a selector that cannot be read", v1beta1.StageWave{Name: "eu", Selector: unreadable}, "waves[0].selector: "},
	} {
		err := checkWaves([]v1beta1.StageWave{tt.wave}, "waves")
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
	p := &v1beta1.ReleasePipeline{}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "prod", Waves: []v1beta1.StageWave{{MaxUnavailable: &zero}}}}
	if err := check(p); err == nil || !strings.HasPrefix(err.Error(), "spec.stages[0].waves[0].maxUnavailable") {
		t.Errorf("the spec of the pipeline: %v", err)
	}
}

// A HelmRelease is in the first wave that selects it; the status says who is admitted to what the stage has.
func TestTheWavesOfAStage(t *testing.T) {
	t.Parallel()
	one := intstr.FromInt32(1)
	spec := []v1beta1.StageWave{{Name: "eu", MaxUnavailable: &one,
		Selector: metav1.LabelSelector{MatchLabels: map[string]string{"continent": "eu"}}}}
	in := func(name, continent string) v1beta1.HelmRelease {
		hr := v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name,
			Labels: map[string]string{"continent": continent}}}
		hr.Status.History = []v1beta1.Snapshot{{ChartDigest: "sha256:old", Status: "deployed"}}
		return hr
	}
	releases := []v1beta1.HelmRelease{in("c", "us"), in("b", "eu"), in("a", "eu")}
	p := &v1beta1.ReleasePipeline{}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "prod", Waves: spec}}
	candidate := v1beta1.PipelineCandidate{Version: "1.1.0", Digest: "sha256:new"}
	p.Status.Stages = []v1beta1.StageStatus{{Name: "prod", Delivery: &v1beta1.StageDelivery{
		PipelineCandidate: candidate, Cause: promotion.CauseAuto,
	}}}
	s := stageOf(p, 0, inputs{releases: map[string][]v1beta1.HelmRelease{"prod": releases}})
	if len(s.Waves) != 1 || s.Waves[0].Limit != 1 || s.Releases[0].Wave != 1 || s.Releases[1].Wave != 0 {
		t.Fatalf("the stage is %+v", s)
	}
	next := v1beta1.StageStatus{Message: "3 have not verified it"}
	admit(&next, v1beta1.StageStatus{}, s)
	wave := next.Wave
	if wave == nil || wave.Digest != "sha256:new" || wave.Open != "eu" || strings.Join(wave.Admitted, " ") != "apps/a" {
		t.Errorf("the wave is %+v", wave)
	}
	if want := "3 have not verified it; wave eu is open for apps/a"; next.Message != want {
		t.Errorf("the message is %q, want %q", next.Message, want)
	}
	s.Waves = nil
	admit(&next, v1beta1.StageStatus{}, s)
	none := v1beta1.StageStatus{}
	if admit(&none, next, s); none.Wave != nil {
		t.Errorf("a stage without waves has %+v", none.Wave)
	}
}
