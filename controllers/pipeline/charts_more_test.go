package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/status"
)

// A suspended pipeline suspends those of its charts, and makes and deletes none.
func TestASuspendedPipelineOfCharts(t *testing.T) {
	t.Parallel()
	p := manyCharts("web")
	s := newCharts(t, p)
	s.settle()
	p.Spec.Suspend, p.Spec.Subject.Charts.Names = true, []string{"cart"}
	s.settle()
	s.wantMembers("shop-web of web")
	if !s.member("shop-web").Spec.Suspend {
		t.Error("the pipeline of web is not suspended")
	}
	p.Spec.Suspend, p.Spec.Subject.Charts.Names = false, []string{"web"}
	s.settle()
	if s.member("shop-web").Spec.Suspend {
		t.Error("the pipeline of web is not resumed")
	}
}

// A request to forget what holds a stage is passed on once; a Promotion of a user that names the pipeline fails.
func TestRequestsToAPipelineOfCharts(t *testing.T) {
	t.Parallel()
	q := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "inc"}}
	q.Spec = v1beta1.PromotionSpec{Pipeline: "shop", Stage: "dev", Version: "1.0.0", Cause: v1beta1.ManualCause}
	p := manyCharts("web", "cart")
	s := newCharts(t, p, q)
	s.settle()
	if err := s.objects.Get(t.Context(), client.ObjectKeyFromObject(q), q); err != nil ||
		q.Status.Phase != v1beta1.PromotionFailed || !strings.Contains(status.Message(q), "name one of these") {
		t.Errorf("the Promotion is %+v, %v", q.Status, err)
	}
	p.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now", v1beta1.ResetRequestAnnotation: "now"}
	s.settle()
	for _, name := range []string{"shop-web", "shop-cart"} {
		if got := v1beta1.SpecialRequest(s.member(name), v1beta1.ResetRequestAnnotation, ""); got != "now" {
			t.Errorf("%s is asked %q", name, got)
		}
	}
	web := s.member("shop-web")
	web.Annotations[v1beta1.ReconcileRequestAnnotation] = "later"
	s.write(web)
	s.settle()
	if got := s.member("shop-web").Annotations[v1beta1.ReconcileRequestAnnotation]; got != "later" {
		t.Errorf("the request was passed on again: %s", got)
	}
}

// A pipeline that another one made has one chart.
func TestAMemberHasNoCharts(t *testing.T) {
	t.Parallel()
	p := manyCharts("web")
	parent := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Name: "parent", UID: types.UID("u")}}
	p.OwnerReferences = ownedBy(parent)
	s := newCharts(t, p)
	s.settle()
	if got := s.ready(); got.Reason != v1beta1.InvalidReferenceReason || len(s.members()) > 0 {
		t.Errorf("it made %v and says %+v", s.members(), got)
	}
}

// A pipeline of forty charts that has nothing to do asks the API server nothing.
func TestAnIdlePipelineOfChartsAsksNothing(t *testing.T) {
	t.Parallel()
	names := make([]string, 0, 40)
	for i := range 40 {
		names = append(names, fmt.Sprintf("chart%02d", i))
	}
	p := manyCharts(names...)
	s := newCharts(t, p)
	s.settle()
	s.settleMembers(func(*v1beta1.ReleasePipeline) {})
	s.settle()
	if len(s.members()) != 40 || !status.IsReady(p) {
		t.Fatalf("%d members, %+v", len(s.members()), s.ready())
	}
	asked := 0
	count := interceptor.NewClient(s.objects.(client.WithWatch), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			asked++
			return apierrors.NewServiceUnavailable("not here")
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			asked++
			return nil
		},
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			asked++
			return nil
		},
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			asked++
			return nil
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			asked++
			return nil
		},
	})
	s.writer, s.live = count, count
	before := p.DeepCopy()
	if next := s.settle(); next != 0 {
		t.Errorf("it is reconciled again in %s", next)
	}
	if diff := cmp.Diff(before, p); asked != 0 || diff != "" {
		t.Errorf("%d requests; the pipeline (-before +after):\n%s", asked, diff)
	}
}

// What a pipeline of several charts asks of its source is the names of the charts, and nothing when it names them all.
func TestWhatAPipelineOfChartsAsks(t *testing.T) {
	t.Parallel()
	p := manyCharts("web")
	if got := catalog.ChoiceOfPipeline(p); got != (catalog.ChartRef{}) {
		t.Errorf("it asks for %s", got)
	}
	p.Spec.Subject.Charts.Include, p.Spec.Subject.Charts.Exclude = "^shop-", "-test$"
	want := `the charts matching "^shop-" and not "-test$" of HelmRepository apps/charts`
	if got := catalog.ChoiceOfPipeline(p).String(); got != want {
		t.Errorf("it asks for %s, want %s", got, want)
	}
}
