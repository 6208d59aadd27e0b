package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/attest"
)

// The statement of a stage names the stages before it that have verified the chart, and their HelmReleases that run it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s := copying(t, func(to *v1beta1.StageCopy) {
		to.Attest = &v1beta1.StageAttest{SecretRef: v1beta1.LocalObjectReference{Name: "attests"}}
	})
	s.await()
	want := attest.Promotion{
		Namespace: "apps", Pipeline: "web", Stage: "staging", Version: "1.0.0", Verified: []attest.Stage{{
			Name: "dev", At: now, Releases: []attest.Release{{Namespace: "apps", Name: "web", At: at(-5).UTC()}},
		}},
	}
	if diff := cmp.Diff(want, s.copier.promotion); diff != "" {
		t.Errorf("the statement (-want +got):\n%s", diff)
	}
	if !s.copyStatus().Attested {
		t.Error("the status does not say that it is attested")
	}
	dev := &s.pipeline.Status.Stages[0]
	for name, change := range map[string]func(){
		"another chart was verified": func() { dev.Verified[0].Digest = "sha256:two" },
		"the stage rejects it": func() {
			dev.Verified[0].Digest = "sha256:one"
			dev.Rejected = []v1beta1.StageRejection{{Digest: "sha256:one"}}
		},
	} {
		change()
		if got := s.evidence(t.Context(), s.pipeline, &s.pipeline.Status.Stages[1]); len(got.Verified) > 0 {
			t.Errorf("%s, and the statement names %+v", name, got.Verified)
		}
	}
}
