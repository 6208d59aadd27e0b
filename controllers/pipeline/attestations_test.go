package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
)

// A gate asks the registry for the attestation of a candidate, again after a while when it is missing, and not any more
// when it was there.
func TestTheGateOfAttestations(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{Attestations: []v1beta1.RequiredAttestation{{Stage: "staging"}}}
	}))
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.copier.fail(sources.Fail(v1beta1.VerificationFailedReason, nil, "has no attestation"))
	s.settle()
	if got := s.pipeline.Status.Stages[0]; got.Phase != promotion.PhaseBlocked ||
		!strings.Contains(got.Message, "attestations: the registry is being asked") {
		t.Errorf("the stage is %s: %s", got.Phase, got.Message)
	}
	<-s.copier.woken
	if next := s.settle(); next != lookAgain {
		t.Errorf("it is reconciled again in %s", next)
	}
	if got := s.pipeline.Status.Stages[0]; !strings.Contains(got.Message, "has no attestation") {
		t.Errorf("the stage is %s: %s", got.Phase, got.Message)
	}
	s.copier.fail(nil)
	s.time = s.time.Add(lookAgain)
	s.settle()
	<-s.copier.woken
	s.settle()
	if got := s.pipeline.Status.Stages[0]; got.Delivery == nil || got.Delivery.Version != "1.0.0" {
		t.Errorf("the stage is %s: %s", got.Phase, got.Message)
	}
	s.time = s.time.Add(time.Hour)
	s.settle()
	asked := "apps stages[dev].gates.attestations[].secretRef oci://registry.example.com/web staging sha256:one"
	if diff := cmp.Diff([]string{asked, asked}, s.copier.take()); diff != "" {
		t.Errorf("what the registry was asked (-want +got):\n%s", diff)
	}
	s.Forget(client.ObjectKeyFromObject(s.pipeline))
	if len(s.attestations.known) > 0 {
		t.Error("what is known of a pipeline stays when it is gone")
	}
}

// An answer to former requirements does not count for the present ones.
func TestOtherRequirements(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{Attestations: []v1beta1.RequiredAttestation{{Stage: "staging"}}}
	}))
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	<-s.copier.woken
	s.copier.fail(sources.Fail(v1beta1.VerificationFailedReason, nil, "has no attestation"))
	s.pipeline.Spec.Stages[0].Gates.Attestations[0].Stage = "qa"
	s.settle()
	<-s.copier.woken
	s.settle()
	if got := s.pipeline.Status.Stages[0]; got.Delivery != nil || !strings.Contains(got.Message, "has no attestation") {
		t.Errorf("the stage is %s: %s", got.Phase, got.Message)
	}
}
