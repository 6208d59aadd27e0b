package view

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestStageRows(t *testing.T) {
	t.Parallel()
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod"}}
	p.Status.Candidates = []v1beta1.PipelineCandidate{
		{Version: "1.1.0", Digest: "two"}, {Version: "v1.0.0", Digest: "one"},
	}
	p.Status.Stages = []v1beta1.StageStatus{{
		Name: "dev", Phase: "Blocked", Candidate: "1.1.0", Gates: []v1beta1.GateStatus{{Name: "soak", Result: "Wait"}},
		Delivery: &v1beta1.StageDelivery{PipelineCandidate: p.Status.Candidates[1]},
	}}
	rows := StageRows(p)
	if len(rows) != 2 || rows[0].Version != "v1.0.0" || rows[0].Candidate != "1.1.0" || rows[1].Phase != string(Unknown) {
		t.Errorf("rows %+v", rows)
	}
	p.Status.Stages[0].Gates = nil
	if rows := StageRows(p); rows[0].Candidate != "" {
		t.Errorf("the stage waits with %q", rows[0].Candidate)
	}
	p.Spec.Suspend = true
	if rows := StageRows(p); rows[0].Phase != string(Suspended) {
		t.Errorf("a suspended stage is %s", rows[0].Phase)
	}
	for text, want := range map[string]string{"1.0.0": "one", "v1.1.0": "two", "two": "two"} {
		if c := CandidateOf(p, text); c == nil || c.Digest != want {
			t.Errorf("%s is %+v, want %s", text, c, want)
		}
	}
	if c := CandidateOf(p, "2.0.0"); c != nil {
		t.Errorf("an unknown version is %+v", c)
	}
}
