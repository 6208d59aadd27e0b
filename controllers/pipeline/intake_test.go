package pipeline

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// A stage that replaces three candidates which the next one only waits for is warned of, also when the controller is
// restarted in between: the count is in the status.
func TestDisplacedCandidates(t *testing.T) {
	t.Parallel()
	hr := verifiedRelease()
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-dev"}
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:2]
		p.Spec.Stages[1].Promote = promotion.Manual
	}), hr)
	recorder := events.NewFakeRecorder(100)
	s.events = recorder
	for i := range 4 {
		digest := "sha256:" + string(rune('a'+i))
		s.time = now.Add(time.Duration(i) * time.Hour)
		version := "1." + string(rune('0'+i)) + ".0"
		s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: version, Digest: digest}
		s.settle()
		hr.Status.History[0].ChartDigest, hr.Status.LastVerified.ChartDigest = digest, digest
		if err := s.objects.Update(t.Context(), hr); err != nil {
			t.Fatal(err)
		}
		s.settle()
	}
	if got := s.pipeline.Status.Stages[0]; got.Displaced != 3 || got.Delivery.Version != "1.3.0" {
		t.Errorf("dev displaced %d and has %s", got.Displaced, got.Delivery.Version)
	}
	warned := 0
	for len(recorder.Events) > 0 {
		if text := <-recorder.Events; strings.Contains(text, v1beta1.CandidatesDisplacedReason) {
			warned++
			if !strings.Contains(text, "Warning") || !strings.Contains(text, "staging only waited for them") {
				t.Errorf("it warns: %s", text)
			}
		}
	}
	if warned != 1 {
		t.Errorf("%d warnings", warned)
	}
}

// With Serial the stage keeps what the next one waits for.
func TestSerialIntake(t *testing.T) {
	t.Parallel()
	p := threeStages(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[1].Intake = "Serial" })
	if got := factsOf(p, inputs{}).Stages[1].Intake; got != promotion.IntakeSerial {
		t.Errorf("the intake is %q", got)
	}
}
