package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// manyCharts is a pipeline of several charts of a HelmRepository.
func manyCharts(names ...string) *v1beta1.ReleasePipeline {
	return threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Name, p.UID, p.Generation = "shop", "uid-of-shop", 1
		p.Spec.Subject = v1beta1.PipelineSubject{
			SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
			Charts:    &v1beta1.PipelineCharts{Names: names},
		}
	})
}

// newCharts is a site with such a pipeline, whose members say nothing of themselves yet.
func newCharts(t *testing.T, p *v1beta1.ReleasePipeline, objects ...client.Object) *site {
	t.Helper()
	s := newSite(t, p, objects...)
	s.writer = client.WithFieldOwner(s.objects, fieldOwner)
	return s
}

// members lists the pipelines that the pipeline made, as "shop-web of web".
func (s *site) members() []string {
	s.Helper()
	list := &v1beta1.ReleasePipelineList{}
	if err := s.objects.List(s.Context(), list); err != nil {
		s.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], s.pipeline) {
			names = append(names, list.Items[i].Name+" of "+list.Items[i].Spec.Subject.Chart)
		}
	}
	slices.Sort(names)
	return names
}

func (s *site) member(name string) *v1beta1.ReleasePipeline {
	s.Helper()
	p := &v1beta1.ReleasePipeline{}
	if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: name}, p); err != nil {
		s.Fatal(err)
	}
	return p
}

func (s *site) write(o client.Object) {
	s.Helper()
	if err := s.objects.Update(s.Context(), o); err != nil {
		s.Fatal(err)
	}
}

func (s *site) wantMembers(want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.members()); diff != "" {
		s.Errorf("the members (-want +got):\n%s", diff)
	}
}

// settleMembers writes how each member is, which the controller of pipelines does.
func (s *site) settleMembers(change func(*v1beta1.ReleasePipeline)) {
	s.Helper()
	list := &v1beta1.ReleasePipelineList{}
	if err := s.objects.List(s.Context(), list); err != nil {
		s.Fatal(err)
	}
	for i := range list.Items {
		member := &list.Items[i]
		if !metav1.IsControlledBy(member, s.pipeline) {
			continue
		}
		member.Status.ObservedGeneration = member.Generation
		status.Ready(member, v1beta1.SucceededReason, "dev has 1.0.0 (Verified)", now)
		member.Status.Stages = []v1beta1.StageStatus{{Name: "dev", Phase: promotion.PhaseVerified}}
		change(member)
		s.write(member)
	}
}

// Each chart gets a pipeline with the stages and the labels of its parent; a stage that copies gets a repository for
// each chart.
func TestChartsGetPipelines(t *testing.T) {
	t.Parallel()
	p := manyCharts("web", "My_Chart")
	p.Labels = map[string]string{"team": "shop", "app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/app": "x"}
	p.Spec.Subject.Version = ">=1.0.0"
	p.Spec.Stages[2].Deliver = &v1beta1.StageDeliver{Copy: &v1beta1.StageCopy{URL: "oci://prod.example.com/charts/"}}
	s := newCharts(t, p)
	s.settle()
	s.wantMembers("shop-my-chart of My_Chart", "shop-web of web")
	web := s.member("shop-web")
	if web.Spec.Subject.Charts != nil || web.Spec.Subject.Version != ">=1.0.0" || len(web.Spec.Stages) != 3 {
		t.Errorf("the pipeline of web is %+v", web.Spec)
	}
	if got := web.Spec.Stages[2].CopyOf().URL; got != "oci://prod.example.com/charts/web" {
		t.Errorf("web is copied to %s", got)
	}
	want := map[string]string{"team": "shop", v1beta1.PipelineLabel: "uid-of-shop"}
	if diff := cmp.Diff(want, web.Labels); diff != "" {
		t.Errorf("its labels (-want +got):\n%s", diff)
	}
	if !status.IsReady(p) && s.ready().Reason != v1beta1.ProgressingReason {
		t.Errorf("it says %+v", s.ready())
	}
	git := manyCharts("web")
	git.Spec.Subject.SourceRef.Kind, git.Spec.Subject.Charts.Path = v1beta1.GitRepositoryKind, "./deploy/charts"
	s = newCharts(t, git)
	s.settle()
	s.wantMembers("shop-web of deploy/charts/web")
}

// A member that was edited is changed back, but for what users set by commands: pins, holds, rejections, suspend.
func TestEditsOfMembers(t *testing.T) {
	t.Parallel()
	p := manyCharts("web")
	p.Spec.Stages[0].Rejected = []string{"0.9.0"}
	s := newCharts(t, p)
	s.settle()
	web := s.member("shop-web")
	web.Spec.Stages[2].Pin, web.Spec.Stages[1].Hold = "1.0.0", "an incident"
	web.Spec.Stages[0].Rejected = append(web.Spec.Stages[0].Rejected, "1.1.0")
	web.Spec.Suspend = true
	s.write(web)
	s.settle()
	if diff := cmp.Diff(web.Spec, s.member("shop-web").Spec); diff != "" {
		t.Errorf("what a user set is gone (-set +is):\n%s", diff)
	}
	for name, edit := range map[string]func(*v1beta1.ReleasePipeline){
		"chart":   func(p *v1beta1.ReleasePipeline) { p.Spec.Subject.Chart = "evil" },
		"promote": func(p *v1beta1.ReleasePipeline) { p.Spec.Stages[0].Promote = "Manual" },
		"gates": func(p *v1beta1.ReleasePipeline) {
			p.Spec.Stages[2].Gates = &v1beta1.StageGates{Downgrade: true}
		},
		"stages": func(p *v1beta1.ReleasePipeline) { p.Spec.Stages = p.Spec.Stages[:2] },
		"order":  func(p *v1beta1.ReleasePipeline) { slices.Reverse(p.Spec.Stages) },
		"label":  func(p *v1beta1.ReleasePipeline) { delete(p.Labels, v1beta1.PipelineLabel) },
	} {
		before := s.member("shop-web")
		after := before.DeepCopy()
		edit(after)
		s.write(after)
		s.settle()
		got := s.member("shop-web")
		got.Spec = withOwn(memberOf(p, promotion.Member{Name: "shop-web", Chart: "web"}).Spec, got.Spec)
		live := s.member("shop-web")
		if diff := cmp.Diff(got.Spec, live.Spec); diff != "" || !cmp.Equal(live.Labels, before.Labels) {
			t.Errorf("an edit of %s stays (-want +is):\n%s", name, diff)
		}
	}
}

// What the pipeline sets is above what a user set on a member, and its rejections add up with those of the member.
func TestWithOwn(t *testing.T) {
	t.Parallel()
	stage := func(pin, hold string, rejected ...string) v1beta1.ReleasePipelineSpec {
		return v1beta1.ReleasePipelineSpec{Stages: []v1beta1.PipelineStage{
			{Name: "dev", Pin: pin, Hold: hold, Rejected: rejected},
		}}
	}
	for name, tt := range map[string]struct{ want, live, out v1beta1.ReleasePipelineSpec }{
		"of the member":       {stage("", ""), stage("1.0.0", "why", "0.1.0"), stage("1.0.0", "why", "0.1.0")},
		"of the pipeline":     {stage("2.0.0", "all"), stage("1.0.0", "why"), stage("2.0.0", "all")},
		"rejections add up":   {stage("", "", "0.1.0"), stage("", "", "0.2.0"), stage("", "", "0.2.0", "0.1.0")},
		"each rejection once": {stage("", "", "0.1.0"), stage("", "", "0.1.0"), stage("", "", "0.1.0")},
	} {
		if diff := cmp.Diff(tt.out, withOwn(tt.want, tt.live)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A chart that is no longer asked for keeps its pipeline, suspended, while HelmReleases refer to its sources. It comes
// back as it was.
func TestAChartThatLeaves(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.HelmChartKind, Name: "shop-web-staging"}
	p := manyCharts("web", "cart")
	s := newCharts(t, p, hr)
	s.settle()
	p.Spec.Subject.Charts.Names, p.Spec.Stages = []string{"pay"}, p.Spec.Stages[:1]
	s.settle()
	s.wantMembers("shop-pay of pay", "shop-web of web")
	if got := s.member("shop-web").Spec; !got.Suspend || len(got.Stages) != 3 {
		t.Errorf("the pipeline of web is %+v", got)
	}
	if c := p.Status.Charts; c.Total != 1 || len(c.Items) != 2 || c.Items[1].Phase != promotion.ChartKept {
		t.Errorf("the status is %+v", c)
	}
	p.Spec.Subject.Charts.Names = []string{"web", "pay"}
	s.settle()
	if s.member("shop-web").Spec.Suspend {
		t.Error("the pipeline of web is still suspended")
	}
	p.Spec.Subject.Charts.Names = []string{"pay"}
	if err := s.objects.Delete(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.wantMembers("shop-pay of pay")

	p.Spec.Subject.Charts, p.Spec.Subject.Chart = nil, "web"
	s.charts.err = errors.New("not asked here")
	s.settle()
	s.wantMembers()
	if p.Status.Charts != nil {
		t.Errorf("a pipeline of one chart says %+v", p.Status.Charts)
	}
}

// An index that is empty, or that is not known, takes no chart away.
func TestAnIndexThatSaysNothing(t *testing.T) {
	t.Parallel()
	p := manyCharts("web")
	p.Spec.Subject.Charts.Include = "^c"
	s := newCharts(t, p)
	s.charts.names = []string{"cart", "chat"}
	s.settle()
	all := []string{"shop-cart of cart", "shop-chat of chat", "shop-web of web"}
	s.wantMembers(all...)
	for _, tt := range []struct {
		err    error
		reason string
	}{
		{nil, v1beta1.NotFoundReason},
		{sources.Fail(v1beta1.SourceNotReadyReason, nil, "no route to host"), v1beta1.SourceNotReadyReason},
		{sources.Stall(v1beta1.UnsupportedReason, nil, "a registry"), v1beta1.UnsupportedReason},
	} {
		s.charts.names, s.charts.err = nil, tt.err
		s.settle()
		s.wantMembers(all...)
		if got := s.ready(); got.Reason != tt.reason || got.Status != metav1.ConditionFalse ||
			!strings.HasSuffix(got.Message, "; the charts that are known stay") {
			t.Errorf("it says %+v", got)
		}
	}
	s.charts.names, s.charts.err = []string{"cart"}, nil
	s.settle()
	s.wantMembers("shop-cart of cart", "shop-web of web")
}

// A pipeline of another owner is not taken over, also when the cache does not have it yet.
func TestANameThatIsTaken(t *testing.T) {
	t.Parallel()
	for _, lags := range []bool{false, true} {
		other := threeStages(func(p *v1beta1.ReleasePipeline) { p.Name, p.UID = "shop-web", "of-another" })
		s := newCharts(t, manyCharts("web", "cart"), other)
		if lags {
			s.cached = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
				List: func(
					ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption,
				) error {
					err := c.List(ctx, list, o...)
					if all, is := list.(*v1beta1.ReleasePipelineList); is {
						all.Items = nil
					}
					return err
				},
			})
		}
		s.settle()
		s.wantMembers("shop-cart of cart")
		if got := s.ready(); got.Reason != v1beta1.OwnedByOtherReason || !status.IsStalled(s.pipeline) ||
			!strings.Contains(got.Message, "ReleasePipeline shop-web exists and is not of this pipeline") {
			t.Errorf("with a cache that lags (%t) it says %+v", lags, got)
		}
		if got := s.member("shop-web"); got.Spec.Subject.Chart != "" || len(got.OwnerReferences) > 0 {
			t.Errorf("the pipeline of another was changed: %+v", got)
		}
	}
}

// The status counts the charts, and Ready follows the worst of them.
func TestTheStatusOfCharts(t *testing.T) {
	t.Parallel()
	p := manyCharts("a", "b", "c")
	s := newCharts(t, p)
	s.settle()
	if got := s.ready(); got.Reason != v1beta1.ProgressingReason {
		t.Errorf("new pipelines: %+v", got)
	}
	for _, tt := range []struct {
		name         string
		change       func(*v1beta1.ReleasePipeline)
		counts       [3]int32
		reason, text string
		isReady      bool
		stalled      bool
	}{
		{"all ready", func(*v1beta1.ReleasePipeline) {}, [3]int32{3, 0, 0}, v1beta1.SucceededReason,
			"3 charts: 3 ready, 0 waiting, 0 failed", true, false},
		{"one waits", func(m *v1beta1.ReleasePipeline) {
			if m.Name == "shop-b" {
				m.Status.Stages[0].Phase, m.Status.Stages[0].Candidate = promotion.PhaseApproval, "1.1.0"
			}
		}, [3]int32{2, 1, 0}, v1beta1.SucceededReason,
			"3 charts: 2 ready, 1 waiting, 0 failed; waiting: b (dev AwaitingApproval with 1.1.0)", true, false},
		{"one is verified now", func(m *v1beta1.ReleasePipeline) {
			if m.Name == "shop-b" {
				status.Progressing(m, "dev has 1.1.0 (Verifying)", now)
			}
		}, [3]int32{2, 1, 0}, v1beta1.ProgressingReason, "waiting: b (dev has 1.1.0 (Verifying)", false, false},
		{"one is tried again", func(m *v1beta1.ReleasePipeline) {
			if m.Name == "shop-c" {
				status.Retrying(m, v1beta1.SourceNotReadyReason, "no route", now)
			}
		}, [3]int32{2, 0, 1}, v1beta1.SourceNotReadyReason, "failed: c (SourceNotReady: no route)", false, false},
		{"one is stalled", func(m *v1beta1.ReleasePipeline) {
			switch m.Name {
			case "shop-a":
				status.Retrying(m, v1beta1.SourceNotReadyReason, "no route", now)
			case "shop-c":
				status.Stalled(m, v1beta1.CandidateRejectedReason, "dev: it crashes", now)
			}
		}, [3]int32{1, 0, 2}, v1beta1.CandidateRejectedReason, "c (CandidateRejected: dev: it crashes)", false, true},
		{"one is suspended", func(m *v1beta1.ReleasePipeline) { m.Spec.Suspend = m.Name == "shop-a" },
			[3]int32{2, 1, 0}, v1beta1.SucceededReason, "suspended: a", true, false},
	} {
		s.settleMembers(tt.change)
		s.settle()
		got, c := s.ready(), p.Status.Charts
		counts := [3]int32{c.Ready, c.Waiting, c.Failed}
		if c.Total != 3 || counts != tt.counts || got.Reason != tt.reason || !strings.Contains(got.Message, tt.text) ||
			status.IsReady(p) != tt.isReady || status.IsStalled(p) != tt.stalled {
			t.Errorf("%s: %v, %+v", tt.name, counts, got)
		}
	}
}
