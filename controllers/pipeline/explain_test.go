package pipeline

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// explained has dev verified by a HelmRelease, and prod waits for a second approval, in a freeze.
func explained(t *testing.T) (*site, v1beta1.PipelineCandidate) {
	t.Helper()
	hr := verifiedRelease(func(hr *v1beta1.HelmRelease) {
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-dev"}
	})
	approval := &v1beta1.PromotionApproval{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "alice"}}
	approval.Spec = v1beta1.PromotionApprovalSpec{Pipeline: "web", Stage: "prod", Digest: "two", User: "alice"}
	freeze := &v1beta1.ReleaseFreeze{ObjectMeta: metav1.ObjectMeta{Name: "sale"}}
	freeze.Spec.Reason = "the sale"
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = []v1beta1.PipelineStage{{Name: "dev"}, {Name: "prod", Promote: "Manual"}}
		p.Spec.Stages[1].Gates = &v1beta1.StageGates{Soak: &metav1.Duration{Duration: time.Hour}}
	}), hr, approval)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
	s.settle()
	s.add(freeze)
	s.settle()
	return s, s.pipeline.Status.Candidates[0]
}

// plain reads as an API server does: without the indexes of the controller.
func (s *site) plain(funcs interceptor.Funcs) client.Client {
	s.Helper()
	b := fake.NewClientBuilder().WithScheme(s.objects.Scheme()).WithInterceptorFuncs(funcs)
	for _, list := range []client.ObjectList{&v1beta1.HelmReleaseList{}, &v1beta1.PromotionApprovalList{},
		&v1beta1.PromotionList{}, &v1beta1.ReleaseFreezeList{}} {
		if err := s.objects.List(s.Context(), list); err != nil {
			s.Fatal(err)
		}
		b = b.WithLists(list)
	}
	return b.Build()
}

// A user who asks gets the answers that the controller has in the status.
func TestExplainIsWhatTheControllerDecides(t *testing.T) {
	t.Parallel()
	s, candidate := explained(t)
	all, notes, err := Explain(t.Context(), s.plain(interceptor.Funcs{}), s.pipeline, candidate, "", s.time)
	if err != nil || len(notes) > 0 || len(all) != 2 {
		t.Fatalf("%+v, %q, %v", all, notes, err)
	}
	want := s.pipeline.Status.Stages[1]
	if len(want.Gates) == 0 || !strings.Contains(want.Message, "freeze: ReleaseFreeze sale: the sale") {
		t.Fatalf("prod is %+v", want)
	}
	if diff := cmp.Diff(want.Gates, all[1].Gates); diff != "" || all[1].Message != want.Message ||
		all[1].Result != "Wait" {
		t.Errorf("%s: %s (-controller +explained):\n%s", all[1].Result, all[1].Message, diff)
	}
	if !all[0].Has || all[0].Stage != "dev" {
		t.Errorf("dev is %+v", all[0])
	}
	one, _, err := Explain(t.Context(), s.plain(interceptor.Funcs{}), s.pipeline, candidate, "prod", s.time)
	if err != nil || len(one) != 1 || one[0].Stage != "prod" {
		t.Errorf("of prod alone: %+v, %v", one, err)
	}
}

// Checks of a stage are asked. What only the registry knows is taken from the status, for the candidate that it is
// about.
func TestExplainChecksAndSignatures(t *testing.T) {
	t.Parallel()
	s, candidate := explained(t)
	prod := &s.pipeline.Spec.Stages[1]
	prod.Gates.Checks = []v1beta1.StageCheck{{Name: "stable", Expr: "candidate.version == '9.9.9'"}}
	prod.Gates.Verify = &v1beta1.Verification{Provider: "cosign"}
	gates := func(c v1beta1.PipelineCandidate) map[string]string {
		t.Helper()
		all, _, err := Explain(t.Context(), s.plain(interceptor.Funcs{}), s.pipeline, c, "prod", s.time)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, g := range all[0].Gates {
			found[g.Name] = g.Result + ": " + g.Message
		}
		return found
	}
	other := candidate
	other.Version, other.Digest = "0.9.0", "one"
	if found := gates(other); found[promotion.GateSignature] != "Wait: "+notAsked ||
		!strings.HasPrefix(found[promotion.GateChecks+"stable"], "Wait: ") {
		t.Errorf("the gates of another candidate say %q", found)
	}
	record := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{
		Namespace: "apps", Name: "web-prod-1", OwnerReferences: ownedBy(s.pipeline),
	}}
	record.Spec = v1beta1.PromotionSpec{Pipeline: "web", Stage: "prod", Version: "0.9.0", Digest: "one", Cause: "Auto"}
	record.Status.Phase = v1beta1.PromotionVerified
	record.Status.Gates = []v1beta1.GateStatus{
		{Name: promotion.GateSignature, Result: "Pass", Message: "signed: team.pub"},
	}
	s.add(record)
	if found := gates(other); found[promotion.GateSignature] !=
		"Wait: "+notAsked+"; Promotion web-prod-1 says: signed: team.pub" {
		t.Errorf("the gates of a candidate that the stage had say %q", found)
	}
	s.pipeline.Status.Stages[1].Gates = []v1beta1.GateStatus{
		{Name: promotion.GateSignature, Result: "Fail", Message: "no signature counts"},
	}
	if found := gates(candidate); found[promotion.GateSignature] != "Fail: no signature counts" {
		t.Errorf("the gates of the candidate of the stage say %q", found)
	}
}

// What the user may not read is said.
func TestExplainWithoutRights(t *testing.T) {
	t.Parallel()
	s, candidate := explained(t)
	reader := s.plain(interceptor.Funcs{List: func(
		ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption,
	) error {
		o := client.ListOptions{}
		o.ApplyOptions(opts)
		if o.Namespace == "" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, "", nil)
		}
		return c.List(ctx, list, opts...)
	}})
	all, notes, err := Explain(t.Context(), reader, s.pipeline, candidate, "prod", s.time)
	if err != nil || len(notes) != 1 || notes[0] != "you may not list all namespaces; only namespace apps was read" {
		t.Fatalf("%q, %v", notes, err)
	}
	for _, g := range all[0].Gates {
		if g.Name == promotion.GateFreeze && (g.Result != unknownResult || g.Message != "you may not list releasefreezes") {
			t.Errorf("the gate says %+v", g)
		}
		if g.Name == promotion.GateUpstream && g.Result != "Pass" {
			t.Errorf("the release was not read: %+v", g)
		}
	}
}
