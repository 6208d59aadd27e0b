package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// share gives the HelmRelease of each stage the shared values of the pipeline.
func (p *promoting) share() {
	p.Helper()
	for _, stage := range p.pipeline.Spec.Stages {
		hr := withValues(p.release(stage.Name), fmt.Sprintf(`{"stage":%q}`, stage.Name))
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "ConfigMap", Name: "web-" + stage.Name}}
		apply(p.T, hr)
	}
}

// sharesIn waits until a stage has verified other shared values than some, in its ConfigMap and its HelmRelease.
func (p *promoting) sharesIn(stage, not string) (digest string) {
	p.Helper()
	until(p.T, "stage "+stage+" has verified other values than "+not, func() bool {
		d := p.stage(stage).Delivery
		if d == nil || !d.Verified || d.ValuesDigest == "" || d.ValuesDigest == not {
			return false
		}
		digest = d.ValuesDigest
		return true
	})
	hr := get(p.T, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, stage)})
	config := get(p.T, &corev1.ConfigMap{ObjectMeta: named(p.ns, "web-"+stage)})
	if hr.Status.SharedValues == nil || hr.Status.SharedValues.Digest != digest ||
		hr.Status.SharedValues.ConfigDigest != hr.Status.LastVerified.ConfigDigest ||
		config.Annotations[v1beta1.ValuesDigestAnnotation] != digest {
		p.Errorf("stage %s has %s, its HelmRelease %+v and its ConfigMap %v", stage, digest, hr.Status.SharedValues,
			config.Annotations)
	}
	return digest
}

// A change of the shared values in Git is a candidate of its own: the same chart goes through the stages with them. Bad
// values are rolled back and rejected in the first stage, and the fix goes through.
func TestAPipelineWithSharedValues(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	commit(t, ns, map[string]string{"config/values.yaml": "message: first\n"})
	p := newPipelineIn(t, ns, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Subject.Values = &v1beta1.PipelineValues{
			SourceRef: v1beta1.PipelineValuesSource{Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
			Path:      "config/values.yaml",
		}
	})
	p.share()
	archive := chartArchive(t, "sample", "1.0.0", map[string]string{"templates/deployment.yaml": podsTemplate})
	chart, err := world.registry.PushChart(t.Context(), ns, archive)
	if err != nil {
		t.Fatal(err)
	}
	first := p.sharesIn("prod", "")

	commit(t, ns, map[string]string{"config/values.yaml": "message: second\n"})
	second := p.sharesIn("prod", first)
	if got := p.stage("prod").Delivery; got.Digest != chart || got.Version != "1.0.0" {
		t.Errorf("prod has %+v, want the same chart", got)
	}

	commit(t, ns, map[string]string{"config/values.yaml": "waiting: CrashLoopBackOff\n"})
	until(t, "dev rejects the bad values", func() bool { return len(p.stage("dev").Rejected) == 1 })
	if got := p.sharesIn("dev", first); got != second {
		t.Errorf("dev goes back to %s, want %s", got, second)
	}
	rejected := p.stage("dev").Rejected[0]
	if rejected.Digest != chart || rejected.ValuesDigest == second || strings.Contains(rejected.Reason, "message:") {
		t.Errorf("dev rejected %+v", rejected)
	}
	if got := p.stage("prod").Delivery.ValuesDigest; got != second {
		t.Errorf("prod has %s, want %s", got, second)
	}

	commit(t, ns, map[string]string{"config/values.yaml": "message: fixed\n"})
	p.sharesIn("prod", second)
	says(t, mustRun(t, "fairlead", "history", "pipeline", "web", "-n", ns), "values")
}
