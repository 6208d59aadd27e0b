package integration

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// newChartPipeline declares a pipeline of two stages whose chart is in no registry, with a HelmRelease in each. The
// second one needs an approval.
func newChartPipeline(t *testing.T, ns string, subject v1beta1.PipelineSubject) *promoting {
	t.Helper()
	p := &promoting{T: t, ns: ns, pipeline: &v1beta1.ReleasePipeline{ObjectMeta: named(ns, "web")}}
	p.pipeline.Spec.Subject = subject
	p.pipeline.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod", Promote: "Manual"}}
	apply(t, p.pipeline)
	for _, stage := range p.pipeline.Spec.Stages {
		hr := p.release(stage.Name)
		hr.Spec.ChartRef.Kind = v1beta1.HelmChartKind
		apply(t, hr)
	}
	return p
}

// chartIn is the HelmChart of a stage, which has to hold what it is pinned to.
func (p *promoting) chartIn(stage string) *v1beta1.HelmChart {
	p.Helper()
	chart := get(p.T, &v1beta1.HelmChart{ObjectMeta: named(p.ns, "web-"+stage)})
	if c := chart.Status.Chart; c == nil || c.Digest != chart.Spec.Digest || c.Version != chart.Spec.Version {
		p.Errorf("the HelmChart of %s holds %+v, not %s %s", stage, c, chart.Spec.Version, chart.Spec.Digest)
	}
	return chart
}

// has waits until a stage has verified a digest.
func (p *promoting) has(stage, digest string) {
	p.Helper()
	until(p.T, stage+" has verified "+digest, func() bool {
		d := p.stage(stage).Delivery
		return d != nil && d.Digest == digest && d.Verified
	})
	hr := get(p.T, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, stage)})
	if got := hr.Status.LastVerified.ChartDigest; got != digest || hr.Generation != 1 {
		p.Errorf("HelmRelease %s verified %s with generation %d, want %s", stage, got, hr.Generation, digest)
	}
}

// A chart of a Helm repository over HTTP is promoted by its digest. The same version with other content is another
// candidate, which prod does not get without an approval. A version that is deleted upstream stays where it is, and is
// promoted further.
func TestAPipelineOfAnIndex(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, chartOptions(), "sample", "1.0.0", "2.0.0-rc.1", "1.1.0")
	apply(t, helmRepository(ns, "charts", charts.URL()))
	p := newChartPipeline(t, ns, v1beta1.PipelineSubject{
		SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
		Chart:     "sample", Version: "*", Filter: &v1beta1.VersionFilter{Exclude: `^1\.1\.`},
	})
	p.await("dev 1.0.0 Verified", "prod - AwaitingApproval")
	first := p.stage("dev").Delivery.Digest
	p.approve("alice", "alice", first)
	p.await("dev 1.0.0 Verified", "prod 1.0.0 Verified")
	p.has("prod", first)
	if got := p.chartIn("prod"); got.Spec.Digest != first || got.Spec.Origin != "charts/sample-1.0.0.tgz" {
		t.Errorf("the HelmChart of prod is %+v", got.Spec)
	}

	charts.Withdraw("sample", "1.0.0")
	if err := charts.Add(chartArchive(t, "sample", "1.0.0", map[string]string{"NOTES": "other content"})); err != nil {
		t.Fatal(err)
	}
	until(t, "dev has the other content", func() bool { return p.stage("dev").Delivery.Digest != first })
	second := p.stage("dev").Delivery.Digest
	p.has("dev", second)
	p.await("dev 1.0.0 Verified", "prod 1.0.0 AwaitingApproval")
	until(t, "prod says that it keeps what was replaced upstream", func() bool {
		return strings.Contains(p.stage("prod").Message, "upstream has 1.0.0 with the digest "+second)
	})
	if got := p.chartIn("prod"); got.Status.Chart.Digest != first {
		t.Errorf("prod has %s, want %s", got.Status.Chart.Digest, first)
	}
	if got := p.events(v1beta1.TagMovedReason); len(got) != 1 || !strings.Contains(got[0], first+" before, "+second) {
		t.Errorf("the events are %q", got)
	}

	charts.Withdraw("sample", "1.0.0")
	until(t, "dev says that its version is gone", func() bool {
		return strings.Contains(p.stage("dev").Message, "upstream no longer offers it")
	})
	awaitReady(t, &v1beta1.HelmRelease{ObjectMeta: named(ns, "dev")})
	says(t, condition(t, p.pipeline, v1beta1.ReadyCondition).Message,
		"dev keeps 1.0.0, and upstream no longer offers it")
	p.approve("alice", "alice", second)
	p.has("prod", second)
	p.chartIn("prod")
}

// A chart in Git is promoted by the digest of its directory. A commit elsewhere in the repository is no candidate, a
// change of the directory is, and prod keeps what it has although it is deleted upstream.
func TestAPipelineOfGit(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	gitRepository(t, ns, "1.0.0", &v1beta1.GitRepositoryRef{Branch: "main"})
	p := newChartPipeline(t, ns, v1beta1.PipelineSubject{
		SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet"},
		Chart:     "./charts/sample",
	})
	p.await("dev 1.0.0 Verified", "prod - AwaitingApproval")
	first := p.stage("dev").Delivery.Digest
	p.approve("alice", "alice", first)
	p.has("prod", first)
	if got := p.chartIn("prod").Spec.Origin; !strings.HasPrefix(got, "main@sha1:") {
		t.Errorf("the origin is %s", got)
	}

	commit(t, ns, map[string]string{"README.md": "elsewhere"})
	sha := commit(t, ns, map[string]string{"charts/sample/NOTES": "other content"})
	until(t, "dev has the other content", func() bool { return p.stage("dev").Delivery.Digest != first })
	d := p.stage("dev").Delivery
	p.has("dev", d.Digest)
	if d.Origin != "main@sha1:"+sha || len(get(t, p.pipeline).Status.Candidates) != 2 {
		t.Errorf("dev has %+v, want that of commit %s as the second candidate", d, sha)
	}

	gone := map[string]string{"charts/sample/NOTES": ""}
	for path := range maps.Keys(gitTree("sample", "1.0.0", nil)) {
		gone[path] = ""
	}
	commit(t, ns, gone)
	for _, stage := range []string{"dev", "prod"} {
		until(t, stage+" says that the chart is gone", func() bool {
			return strings.Contains(p.stage(stage).Message, "upstream no longer offers it")
		})
	}
	p.has("prod", first)
	p.approve("alice", "alice", d.Digest)
	p.has("prod", d.Digest)
	p.chartIn("prod")
}

// events lists the messages of the events of the pipeline with a reason.
func (p *promoting) events(reason string) []string {
	p.Helper()
	list := &corev1.EventList{}
	if err := world.cluster.Client.List(p.Context(), list, client.InNamespace(p.ns)); err != nil {
		p.Fatal(err)
	}
	var found []string
	for _, e := range list.Items {
		if e.Reason == reason && e.InvolvedObject.Kind == v1beta1.ReleasePipelineKind {
			found = append(found, e.Message)
		}
	}
	return found
}
