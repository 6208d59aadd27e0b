package view

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestBoardRow(t *testing.T) {
	t.Parallel()
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod"}, {Name: "new"}}
	if row := NewBoardRow(p); row.Newest != "" || len(row.Stages) != 3 || row.Stages[0].Phase != string(Unknown) {
		t.Errorf("a pipeline without status is %+v", row)
	}
	p.Status.Candidates = []v1beta1.PipelineCandidate{
		{Version: "1.2.0", Digest: "two"}, {Version: "1.10.0", Digest: "ten"}, {Version: "1.1.0", Digest: "one"},
	}
	p.Status.Stages = []v1beta1.StageStatus{
		{Name: "dev", Phase: "Verified", Delivery: &v1beta1.StageDelivery{PipelineCandidate: p.Status.Candidates[1]}},
		{Name: "prod", Phase: "Blocked", Candidate: "1.10.0", Gates: []v1beta1.GateStatus{
			{Name: "upstream", Result: "Pass"}, {Name: "soak", Result: "Wait"},
		}, Delivery: &v1beta1.StageDelivery{PipelineCandidate: p.Status.Candidates[2]}},
	}
	row := NewBoardRow(p)
	dev, prod := row.Stages[0], row.Stages[1]
	switch {
	case row.Newest != "1.10.0":
		t.Errorf("the newest is %q", row.Newest)
	case dev.Behind != 0 || dev.Candidate != "" || dev.Version != "1.10.0":
		t.Errorf("dev is %+v", dev)
	case prod.Behind != 2 || prod.Candidate != "1.10.0" || len(prod.Waits) != 1 || prod.Waits[0].Name != "soak":
		t.Errorf("prod is %+v", prod)
	}
}
