package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// ofKind makes the subject of a pipeline a chart of a HelmRepository or GitRepository.
func ofKind(kind string, change ...func(*v1beta1.PipelineSubject)) func(*v1beta1.ReleasePipeline) {
	return func(p *v1beta1.ReleasePipeline) {
		p.Spec.Subject = v1beta1.PipelineSubject{
			SourceRef: v1beta1.PipelineSourceReference{Kind: kind, Name: "charts"}, Chart: "web",
		}
		for _, c := range change {
			c(&p.Spec.Subject)
		}
	}
}

func httpRepository() *v1beta1.HelmRepository {
	r := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "charts"}}
	r.Spec.URL = "https://charts.example.com"
	return r
}

func (s *site) chart(stage string) *v1beta1.HelmChart {
	s.Helper()
	found := &v1beta1.HelmChart{}
	if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: "web-" + stage}, found); err != nil {
		s.Fatal(err)
	}
	return found
}

// What the stage of a chart outside of a registry gets is a HelmChart with the version, the digest and the origin of
// the candidate. A second pass writes nothing.
func TestChartsOfStages(t *testing.T) {
	t.Parallel()
	verify := &v1beta1.Verification{Provider: v1beta1.VerifyHelm, SecretRef: &v1beta1.LocalObjectReference{Name: "keys"}}
	tests := []struct {
		name     string
		pipeline *v1beta1.ReleasePipeline
		want     v1beta1.HelmChartSpec
	}{
		{"a Helm repository over HTTP", threeStages(ofKind(v1beta1.HelmRepositoryKind, func(s *v1beta1.PipelineSubject) {
			s.Version, s.Verify = "1.x", verify
		})), v1beta1.HelmChartSpec{
			SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}, Verify: verify,
		}},
		{"a directory in Git", threeStages(ofKind(v1beta1.GitRepositoryKind)), v1beta1.HelmChartSpec{
			SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "charts"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tt.pipeline, httpRepository())
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
			s.charts.origin = "somewhere"
			s.settle()
			want := tt.want
			want.Chart, want.Version, want.Digest, want.Origin = "web", "1.0.0", "sha256:one", "somewhere"
			want.Interval, want.ReconcileStrategy = &outletInterval, v1beta1.ReconcileStrategyRevision
			made := s.chart("dev")
			if diff := cmp.Diff(want, made.Spec); diff != "" || !metav1.IsControlledBy(made, s.pipeline) {
				t.Errorf("the HelmChart of %v (-want +got):\n%s", made.OwnerReferences, diff)
			}
			s.writer = interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
				Patch: func(
					context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption,
				) error {
					t.Error("an idle pipeline writes")
					return nil
				},
			})
			s.settle()
		})
	}
}

// A HelmChart that was changed is brought back, also while the HelmRepository is gone; one of another owner is left
// alone.
func TestAChartOfAStageIsTheControllers(t *testing.T) {
	t.Parallel()
	p := threeStages(ofKind(v1beta1.HelmRepositoryKind))
	s := newSite(t, p.DeepCopy(), httpRepository())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	changed := s.chart("dev")
	changed.Spec.Digest = "sha256:evil"
	err := errors.Join(s.objects.Update(t.Context(), changed), s.objects.Delete(t.Context(), httpRepository()))
	if err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := s.chart("dev").Spec.Digest; got != "sha256:one" {
		t.Errorf("the HelmChart has %s", got)
	}

	foreign := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web-dev"}}
	other := newSite(t, p, httpRepository(), foreign)
	other.charts.revision = s.charts.revision
	other.settle()
	if ready := other.ready(); ready.Reason != v1beta1.OwnedByOtherReason || !status.IsStalled(other.pipeline) ||
		!strings.HasPrefix(ready.Message, "HelmChart web-dev exists") {
		t.Errorf("it says %+v", ready)
	}
	if other.chart("dev").Spec.Digest != "" {
		t.Error("a HelmChart of another owner was changed")
	}
}

// A HelmRelease belongs to the stage whose HelmChart it names. The source of a stage that the spec no longer has, and
// that of another kind than the subject wants now, go when no HelmRelease refers to them.
func TestPruningByKind(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.HelmChartKind, Name: "web-dev"}
	s := newSite(t, threeStages(ofKind(v1beta1.HelmRepositoryKind)), httpRepository(), hr)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	if got := s.pipeline.Status.Stages[0].Message; !strings.Contains(got, "apps/web") {
		t.Errorf("the stage dev does not name its HelmRelease: %s", got)
	}
	s.pipeline.Spec.Subject = v1beta1.PipelineSubject{
		SourceRef: v1beta1.PipelineSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web"},
	}
	s.settle()
	s.source("dev")
	s.chart("dev") // the HelmRelease refers to it
	if err := s.objects.Delete(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.settle()
	list := &v1beta1.HelmChartList{}
	if err := s.objects.List(t.Context(), list); err != nil || len(list.Items) > 0 {
		t.Errorf("%d HelmCharts are left, %v", len(list.Items), err)
	}
	s.source("dev")
}

// The message of a stage says when the subject no longer has what the stage keeps.
func TestWhatAStageKeepsIsSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages(ofKind(v1beta1.HelmRepositoryKind)), httpRepository())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	dev := func() string { return s.pipeline.Status.Stages[0].Message }
	quiet := dev()
	says := func(want string) {
		t.Helper()
		s.settle()
		if got := dev(); !strings.Contains(got, "; it keeps 1.0.0, and ") || !strings.HasSuffix(got, want) {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	s.charts.outOfRange = errors.New("the range is another")
	says("the range is another")
	s.charts.outOfRange, s.charts.kept = nil, errors.New("no version matches")
	says("upstream no longer offers it: no version matches")
	s.charts.kept = nil
	source := s.chart("dev")
	status.SourceFailed(source, status.Failure{Reason: v1beta1.FetchFailedReason, Message: "no route to host"}, now)
	if err := s.objects.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := dev(); !strings.Contains(got, "HelmChart web-dev is not ready: no route to host") {
		t.Errorf("it says %q", got)
	}
	status.SourceReady(source, v1beta1.Artifact{}, "chart web 1.0.0", now)
	if err := s.objects.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	s.settle()
	if got := dev(); got != quiet {
		t.Errorf("it still says %q", got)
	}
}

// A pipeline that is Ready says what its stages keep; one that is not says what is wrong.
func TestAReadyPipelineSaysWhatItKeeps(t *testing.T) {
	t.Parallel()
	p := threeStages()
	status.Ready(p, v1beta1.SucceededReason, "dev has 1.0.0", now)
	concludeKept(p, nil, now)
	if got := status.Message(p); got != "dev has 1.0.0" {
		t.Errorf("without a note it says %q", got)
	}
	concludeKept(p, []string{"dev keeps 1.0.0, and it is gone", "prod keeps 0.9.0, and it is gone"}, now)
	want := "dev has 1.0.0; dev keeps 1.0.0, and it is gone; prod keeps 0.9.0, and it is gone"
	if got := status.Message(p); got != want || !status.IsReady(p) {
		t.Errorf("it says %q, want %q", got, want)
	}
	status.Stalled(p, v1beta1.CandidateRejectedReason, "dev: rejected", now)
	concludeKept(p, []string{"dev keeps 1.0.0, and it is gone"}, now)
	if got := status.Message(p); got != "dev: rejected" || status.IsReady(p) {
		t.Errorf("a pipeline that is not Ready says %q", got)
	}
}

// A version with other content is another candidate, and the controller says so once.
func TestAMovedVersionIsSaidOnce(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]int{v1beta1.HelmRepositoryKind: 2, v1beta1.GitRepositoryKind: 0} {
		recorder := events.NewFakeRecorder(100)
		s := newSite(t, threeStages(ofKind(kind)), httpRepository())
		s.events = recorder
		for _, digest := range []string{"sha256:one", "sha256:two", "sha256:two", "sha256:one", "sha256:three"} {
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest}
			s.settle()
			s.settle()
		}
		if n := len(s.pipeline.Status.Candidates); n != 3 {
			t.Errorf("%s: %d candidates, want 3", kind, n)
		}
		said := 0
		for len(recorder.Events) > 0 {
			if text := <-recorder.Events; strings.Contains(text, v1beta1.TagMovedReason) {
				said++
			}
		}
		if said != want {
			t.Errorf("%s: said %d times, want %d", kind, said, want)
		}
	}
}

func TestSourceChanged(t *testing.T) {
	t.Parallel()
	ready := func(message string) *v1beta1.HelmChart {
		c := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Generation: 1}}
		status.SourceReady(c, v1beta1.Artifact{}, message, now)
		return c
	}
	failed := ready("chart")
	status.SourceFailed(failed, status.Failure{Reason: v1beta1.FetchFailedReason, Message: "no"}, now)
	newer := ready("chart")
	newer.Generation = 2
	tests := []struct {
		name          string
		before, after *v1beta1.HelmChart
		want          bool
	}{
		{"nothing new", ready("chart"), ready("chart"), false},
		{"another spec", ready("chart"), newer, true},
		{"it fails", ready("chart"), failed, true},
		{"it says something else of the chart", ready("chart"), ready("chart; it stays"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := sourceChanged().Update(event.UpdateEvent{ObjectOld: tt.before, ObjectNew: tt.after})
			if got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
