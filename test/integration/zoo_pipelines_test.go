package integration

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// staged declares a pipeline of one stage, dev, that promotes an OCIRepository of the zoo.
func (z *zoo) staged(name, subject string, change func(*v1beta1.PipelineStage)) *v1beta1.ReleasePipeline {
	p := &v1beta1.ReleasePipeline{ObjectMeta: named(z.ns, name)}
	p.Spec.Subject.SourceRef = v1beta1.PipelineSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: subject}
	p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}}
	if change != nil {
		change(&p.Spec.Stages[0])
	}
	return p
}

// pipelines keeps a pipeline in each state that lasts. The controller of the zoo reads no freezes, because it has no
// right to objects of the whole cluster.
func (z *zoo) pipelines() {
	z.Helper()
	for _, is := range []struct {
		name, subject string
		change        func(*v1beta1.PipelineStage)
		reason        string
	}{
		{"verified", "oci", nil, v1beta1.SucceededReason},
		{"unused", "oci", nil, v1beta1.ProgressingReason},
		{"approval", "oci", func(s *v1beta1.PipelineStage) { s.Promote = "Manual" }, v1beta1.SucceededReason},
		{"young", "oci", func(s *v1beta1.PipelineStage) {
			s.Gates = &v1beta1.StageGates{MinAge: &metav1.Duration{Duration: time.Hour}}
		}, v1beta1.SucceededReason},
		{"closed", "oci", func(s *v1beta1.PipelineStage) {
			s.Gates = &v1beta1.StageGates{Windows: []v1beta1.PromotionWindow{
				{Kind: "Deny", Cron: "* * * * *", Duration: metav1.Duration{Duration: time.Hour}},
			}}
		}, v1beta1.SucceededReason},
		{"held", "oci", func(s *v1beta1.PipelineStage) { s.Hold = "an incident" }, v1beta1.SucceededReason},
		{"pinned", "oci", func(s *v1beta1.PipelineStage) { s.Pin = "9.9.9" }, v1beta1.SucceededReason},
		{"late", "oci", func(s *v1beta1.PipelineStage) {
			s.Deadline = &metav1.Duration{Duration: 3 * time.Second}
		}, v1beta1.CandidateRejectedReason},
		{"quorum", "oci", func(s *v1beta1.PipelineStage) {
			s.Promote, s.Gates = "Manual", &v1beta1.StageGates{Approval: &v1beta1.StageApproval{Count: 2}}
		}, v1beta1.UnsupportedReason},
		{"circle", "oci", func(s *v1beta1.PipelineStage) { s.From = []string{"dev"} }, v1beta1.InvalidReferenceReason},
		{"stranger", "oci", nil, v1beta1.OwnedByOtherReason},
		{"nowhere", "no-source", nil, v1beta1.SourceNotReadyReason},
		{"tagless", "no-tag", nil, v1beta1.SourceNotReadyReason},
		{"locked", "no-key", nil, v1beta1.SourceNotReadyReason},
	} {
		p := z.staged(is.name, is.subject, is.change)
		switch is.name {
		case "verified":
			hr := chartRef(z.ns, "of-pipeline", v1beta1.OCIRepositoryKind, "verified-dev")
			z.keep(hr, v1beta1.InstallSucceededReason)
		case "late":
			hr := withValues(chartRef(z.ns, "too-late", v1beta1.OCIRepositoryKind, "late-dev"), `{"unready":true}`)
			hr.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
			z.keep(hr, v1beta1.ProgressingReason)
		case "stranger":
			url := "oci://" + world.registry.Host() + "/" + z.ns + "/sample"
			stranger := ociRepository(z.ns, url, &v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
			stranger.Name = "stranger-dev"
			z.keep(stranger, v1beta1.SucceededReason)
		case "locked":
			url := "oci://" + world.private.Host() + "/" + z.ns + "/sample"
			locked := ociRepository(z.ns, url, &v1beta1.OCIRepositoryRef{Tag: "1.0.0"})
			locked.Name = "no-key"
			z.keep(locked, v1beta1.AuthenticationFailedReason)
		}
		z.keep(p, is.reason)
	}
	asleep := z.staged("asleep", "oci", nil)
	asleep.Spec.Suspend = true
	z.keep(asleep)
}
