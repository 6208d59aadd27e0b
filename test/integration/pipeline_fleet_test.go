package integration

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A stage of three HelmReleases takes a version that one of them rolls back, as long as minVerified can be met; a check
// of the next stage waits for all three. Without minVerified the version is rejected, and the stage goes back.
func TestAFleet(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = []v1beta1.PipelineStage{
			{Name: "dev", MinVerified: ptr.To(intstr.FromString("60%")), Intake: "Serial"},
			{Name: "prod", Gates: &v1beta1.StageGates{Checks: []v1beta1.StageCheck{{
				Name: "everywhere", Expr: "upstream.all(r, r.digest == candidate.digest)",
				Message: "not everywhere in dev",
			}}}},
		}
	})
	for name, stage := range map[string]string{"dev-b": "dev", "dev-c": "staging"} {
		hr := p.release("dev")
		hr.Name = name
		apply(t, withValues(hr, `{"message":"runs","stage":"`+stage+`"}`))
	}
	first := p.publish("1.0.0")
	p.await("dev 1.0.0 Verified", "prod 1.0.0 Verified")

	p.publish("1.1.0") // crashes where the value of stage is staging
	until(t, "two of three have verified 1.1.0, and one runs 1.0.0 again", func() bool {
		return strings.Contains(p.stage("dev").Message, "1.1.0: verified by 2 of 3 HelmReleases, 2 have to") &&
			strings.Contains(p.stage("prod").Message, "checks/everywhere: not everywhere in dev")
	})
	p.await("dev 1.1.0 Verified", "prod 1.0.0 Blocked")

	mustRun(t, "kubectl", "-n", p.ns, "patch", "releasepipeline", "web", "--type=json", "-p",
		`[{"op":"remove","path":"/spec/stages/0/minVerified"}]`)
	p.await("dev 1.0.0 Blocked", "prod 1.0.0 Blocked")
	if source, _ := p.digestIn("dev"); source != first {
		t.Errorf("dev has %s, want %s", source, first)
	}
	says(t, p.stage("dev").Rejected[0].Reason, "HelmRelease "+p.ns+"/dev-c")
	says(t, p.stage("prod").Message, "stage dev rejected it")
}
