package integration

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/test/servers"
)

// publishing is a pipeline of several charts of an index, with HelmReleases of some of them.
type publishing struct {
	*promoting
	charts *servers.Charts
}

// newChartsPipeline makes a pipeline shop of two stages, whose charts are those of an index that do not begin with x.
func newChartsPipeline(t *testing.T) *publishing {
	t.Helper()
	ns := namespace(t)
	p := &publishing{promoting: &promoting{T: t, ns: ns}}
	p.charts = chartRepository(t, chartOptions(), "xother", "1.0.0")
	p.pipeline = &v1beta1.ReleasePipeline{ObjectMeta: named(ns, "shop")}
	p.pipeline.Labels = map[string]string{"team": "shop"}
	p.pipeline.Spec.Subject = v1beta1.PipelineSubject{
		SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
		Charts:    &v1beta1.PipelineCharts{Names: []string{"web"}, Include: "^[^x]"},
	}
	p.pipeline.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "staging"}}
	return p
}

func (p *publishing) add(name, version string) {
	p.Helper()
	archive := chartArchive(p.T, name, version, map[string]string{"templates/deployment.yaml": crashingIn})
	if err := p.charts.Add(archive); err != nil {
		p.Fatal(err)
	}
}

// install applies the HelmReleases of a chart in both stages.
func (p *publishing) install(chart string) {
	p.Helper()
	for _, s := range p.pipeline.Spec.Stages {
		hr := p.release(s.Name)
		hr.Name = chart + "-" + s.Name
		hr.Spec.ChartRef.Kind, hr.Spec.ChartRef.Name = v1beta1.HelmChartKind, "shop-"+chart+"-"+s.Name
		apply(p.T, hr)
	}
}

// of is the pipeline of a chart.
func (p *publishing) of(chart string) *promoting {
	return &promoting{T: p.T, ns: p.ns, pipeline: &v1beta1.ReleasePipeline{ObjectMeta: named(p.ns, "shop-"+chart)}}
}

// awaitPhases waits until the charts of the pipeline are as is said, as "web Ready".
func (p *publishing) awaitPhases(want ...string) {
	p.Helper()
	until(p.T, "the charts are "+strings.Join(want, ", "), func() bool {
		var got []string
		if s := get(p.T, p.pipeline).Status.Charts; s != nil {
			for _, item := range s.Items {
				got = append(got, item.Chart+" "+item.Phase)
			}
		}
		return slices.Equal(got, want)
	})
}

// Several charts of one pipeline go through its stages, each on its own: one is rolled back, the other is not held by
// that. New charts of the index are promoted, and those that are gone are kept while HelmReleases use them.
func TestOnePipelineOfManyCharts(t *testing.T) {
	t.Parallel()
	p := newChartsPipeline(t)
	for _, chart := range []string{"web", "cart"} {
		p.add(chart, "1.0.0")
		p.install(chart)
	}
	apply(t, helmRepository(p.ns, "charts", p.charts.URL()), p.pipeline)
	for _, chart := range []string{"web", "cart"} {
		until(t, "the pipeline of "+chart+" is made", func() bool { return exists(t, p.of(chart).pipeline) })
		p.of(chart).await("dev 1.0.0 Verified", "staging 1.0.0 Verified")
	}
	p.awaitPhases("cart Ready", "web Ready")
	awaitReady(t, p.pipeline)

	p.add("cart", "1.1.0") // crashes in staging
	p.of("cart").await("dev 1.1.0 Verified", "staging 1.0.0 "+promotion.PhaseBlocked)
	until(t, "staging has rejected cart 1.1.0", func() bool { return len(p.of("cart").stage("staging").Rejected) == 1 })
	p.add("web", "1.2.0")
	p.of("web").await("dev 1.2.0 Verified", "staging 1.2.0 Verified")
	p.add("cart", "1.1.1")
	p.of("cart").await("dev 1.1.1 Verified", "staging 1.1.1 Verified")

	p.edits()

	p.add("pay", "1.0.0")
	p.awaitPhases("cart Ready", "pay Waiting", "web Ready")
	p.pipeline.Spec.Subject.Charts.Exclude = "^(cart|pay)$"
	p.pipeline.ResourceVersion, p.pipeline.ManagedFields = "", nil
	apply(t, p.pipeline)
	p.awaitPhases("web Ready", "cart Kept")
	until(t, "the pipeline of pay goes", func() bool { return !exists(t, p.of("pay").pipeline) })
	if got := get(t, p.of("cart").pipeline); !got.Spec.Suspend {
		t.Error("the pipeline of cart is not suspended")
	}
	for _, stage := range []string{"dev", "staging"} {
		remove(t, &v1beta1.HelmRelease{ObjectMeta: named(p.ns, "cart-"+stage)})
	}
	until(t, "the pipeline of cart goes", func() bool { return !exists(t, p.of("cart").pipeline) })
	p.awaitPhases("web Ready")
	p.refusals()
}

// edits changes the pipeline of web: what commands set stays, and what they set again is removed; the rest is reverted.
func (p *publishing) edits() {
	p.Helper()
	web := p.of("web")
	mustRun(p.T, "fairlead", "pin", "pipeline", "shop-web", "--stage", "staging", "--version", "1.2.0", "-n", p.ns)
	mustRun(p.T, "fairlead", "reject", "pipeline", "shop-web", "--stage", "dev", "--version", "1.3.0", "-n", p.ns)
	mustRun(p.T, "kubectl", "-n", p.ns, "patch", "releasepipeline", "shop-web", "--type=json", "-p",
		`[{"op":"add","path":"/spec/stages/1/promote","value":"Manual"},`+
			`{"op":"add","path":"/spec/stages/0/gates","value":{"downgrade":true}}]`)
	until(p.T, "the edits are reverted", func() bool {
		spec := get(p.T, web.pipeline).Spec
		return spec.Stages[1].Promote == "" && spec.Stages[0].Gates == nil
	})
	// Another spec of the pipeline is applied over the pin; a hold of its own goes when it does not set it any more.
	p.update(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[0].Hold = "an incident" })
	until(p.T, "all charts are held", func() bool {
		return p.holdOf("web") != "" && p.holdOf("cart") != ""
	})
	p.update(func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[0].Hold = "" })
	until(p.T, "no chart is held", func() bool {
		return p.holdOf("web") == "" && p.holdOf("cart") == ""
	})
	s := get(p.T, web.pipeline).Spec.Stages
	if s[1].Pin != "1.2.0" || !slices.Equal(s[0].Rejected, []string{"1.3.0"}) {
		p.Errorf("what commands set is %q and %q", s[1].Pin, s[0].Rejected)
	}
	mustRun(p.T, "fairlead", "unpin", "pipeline", "shop-web", "--stage", "staging", "-n", p.ns)
	p.awaitPhases("cart Ready", "web Ready")
	if got := get(p.T, web.pipeline).Spec.Stages[1].Pin; got != "" {
		p.Errorf("the pin is %q", got)
	}
	out := mustRun(p.T, "fairlead", "board", "shop", "-n", p.ns)
	says(p.T, out, "shop-cart", "shop-web", "STAGING")
}

// holdOf is the hold of the first stage of the pipeline of a chart.
func (p *publishing) holdOf(chart string) string {
	return get(p.T, p.of(chart).pipeline).Spec.Stages[0].Hold
}

// update changes the spec of the pipeline, as a client that applies it does.
func (p *publishing) update(change func(*v1beta1.ReleasePipeline)) {
	p.Helper()
	change(p.pipeline)
	p.pipeline.ResourceVersion, p.pipeline.ManagedFields = "", nil
	apply(p.T, p.pipeline)
}

// refusals asks for what is refused: by the API server, and by the controller.
func (p *publishing) refusals() {
	p.Helper()
	for _, wrong := range []struct{ patch, text string }{
		{`{"spec":{"subject":{"chart":"web"}}}`, "need one of spec.subject.chart and spec.subject.charts"},
		{`{"spec":{"subject":{"charts":null}}}`, "need one of spec.subject.chart and spec.subject.charts"},
		{`{"spec":{"subject":{"sourceRef":{"kind":"OCIRepository"}}}}`, "an OCIRepository is one chart"},
		{`{"spec":{"subject":{"sourceRef":{"kind":"GitRepository"},"charts":{"exclude":null}}}}`,
			"charts.include goes with a HelmRepository"},
		{`{"spec":{"subject":{"charts":{"path":"a"}}}}`, "charts.path goes with a GitRepository"},
		{`{"spec":{"subject":{"charts":{"include":null}}}}`, "charts.exclude goes with include"},
		{`{"spec":{"subject":{"charts":{"names":null,"include":null,"exclude":null}}}}`, "needs names or include"},
	} {
		_, stderr, code := command(p.T, "kubectl", "-n", p.ns, "patch", "releasepipeline", "shop", "--type=merge", "-p",
			wrong.patch)
		if code == 0 || !strings.Contains(stderr, wrong.text) {
			p.Errorf("%s: exit %d, %s", wrong.patch, code, stderr)
		}
	}
	if _, stderr, code := command(p.T, "kubectl", "-n", p.ns, "patch", "releasepipeline", "shop-web", "--type=merge",
		"-p", `{"spec":{"subject":{"charts":{"names":["web"]}}}}`); code == 0 {
		p.Errorf("the pipeline of a chart was given charts: %s", stderr)
	}
	taken := &v1beta1.ReleasePipeline{ObjectMeta: named(p.ns, "shop-api")}
	taken.Spec = *p.pipeline.Spec.DeepCopy()
	taken.Spec.Subject.Charts, taken.Spec.Subject.Chart, taken.Spec.Suspend = nil, "api", true
	apply(p.T, taken)
	uid := get(p.T, taken).UID
	p.update(func(p *v1beta1.ReleasePipeline) { p.Spec.Subject.Charts.Names = []string{"web", "api"} })
	awaitNotReady(p.T, p.pipeline, v1beta1.OwnedByOtherReason)
	if got := get(p.T, taken); got.UID != uid || metav1.GetControllerOf(got) != nil {
		p.Errorf("the pipeline of another is %+v", got.ObjectMeta)
	}
	p.awaitPhases("api "+promotion.ChartFailed, "web Ready")
}

// The pipelines of charts, and their sources, go with the pipeline.
func TestAPipelineOfChartsIsDeleted(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	p := &promoting{T: t, ns: ns, pipeline: &v1beta1.ReleasePipeline{ObjectMeta: named(ns, "shop")}}
	p.publish("1.0.0")
	p.pipeline.Spec.Subject = v1beta1.PipelineSubject{
		SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
		Charts:    &v1beta1.PipelineCharts{Names: []string{"sample"}},
	}
	p.pipeline.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns), p.pipeline)
	outlet := &v1beta1.OCIRepository{ObjectMeta: named(ns, "shop-sample-dev")}
	until(t, "the source of the stage is made", func() bool { return exists(t, outlet) })
	if owner := metav1.GetControllerOf(get(t, outlet)); owner == nil || owner.Name != "shop-sample" {
		t.Errorf("the source is of %+v", owner)
	}
	err := world.cluster.Client.Patch(t.Context(), p.pipeline.DeepCopy(), client.RawPatch(types.MergePatchType,
		[]byte(`{"spec":{"subject":{"charts":{"include":"^s"}}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	says(t, awaitNotReady(t, p.pipeline, v1beta1.UnsupportedReason).Message,
		"write them into spec.subject.charts.names")
	remove(t, p.pipeline)
	until(t, "the pipeline of the chart goes", func() bool {
		return !exists(t, &v1beta1.ReleasePipeline{ObjectMeta: named(ns, "shop-sample")})
	})
	until(t, "the source of its stage goes", func() bool { return !exists(t, outlet) })
}
