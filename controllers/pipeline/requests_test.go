package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/status"
)

// wish is a Promotion that a user made.
func wish(name, stage, version string, change ...func(*v1beta1.Promotion)) *v1beta1.Promotion {
	q := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}}
	q.CreationTimestamp = metav1.NewTime(now)
	q.Spec = v1beta1.PromotionSpec{Pipeline: "web", Stage: stage, Version: version, Cause: v1beta1.ManualCause,
		RequestedBy: "alice", Reason: "INC-1", Bypass: []string{promotion.GateUpstream}}
	for _, c := range change {
		c(q)
	}
	return q
}

func (s *site) add(o client.Object) {
	s.Helper()
	if err := s.objects.Create(s.Context(), o); err != nil {
		s.Fatal(err)
	}
}

// promotion reads a Promotion, its phase and what it says.
func (s *site) promotion(name string) (q *v1beta1.Promotion, says string) {
	s.Helper()
	q = &v1beta1.Promotion{}
	if err := s.objects.Get(s.Context(), client.ObjectKey{Namespace: "apps", Name: name}, q); err != nil {
		s.Fatal(err)
	}
	return q, q.Status.Phase + ": " + status.Message(q)
}

func requestSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	s.settle()
	return s
}

// A Promotion of a user is carried out by a record of the controller, which says who wanted it.
func TestARequestIsCarriedOut(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	s.add(wish("inc-1", "prod", "1.0.0"))
	s.settle()
	if got := s.source("prod").Spec.Reference.Digest; got != "sha256:one" {
		t.Fatalf("prod has %s", got)
	}
	if _, says := s.promotion("inc-1"); says != "Verifying: stage prod, 1.0.0: the HelmReleases verify it; "+
		"Promotion web-prod-1 records it" {
		t.Errorf("the request says %q", says)
	}
	record, _ := s.promotion("web-prod-1")
	reason := "requested by alice: INC-1; without the gates upstream"
	if r := record.Spec; r.Reason != reason || r.Request != "inc-1" || r.Cause != "Manual" || r.Digest != "sha256:one" ||
		r.RequestedBy != "" {
		t.Errorf("the record is %+v", r)
	}
	if g := record.Status.Gates; len(g) < 11 || !strings.HasPrefix(g[0].Message, "bypassed by alice: not verified in") ||
		record.Status.StartedAt == nil {
		t.Errorf("the status of the record is %+v", record.Status)
	}
}

// A request that is deleted and made again, as Git does, does nothing; neither does one whose record is gone.
func TestARequestThatComesAgain(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	first := wish("inc-1", "prod", "1.0.0")
	s.add(first)
	s.settle()
	if err := s.objects.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	s.settle()
	s.pipeline.Spec.Stages[2].Pin = "1.0.0"
	s.settle()
	s.pipeline.Spec.Stages[2].Pin = ""
	s.add(wish("inc-1", "prod", "1.0.0"))
	s.settle()
	if n := s.pipeline.Status.Stages[2].Promotions; n != 1 {
		t.Errorf("prod got %d promotions", n)
	}
	if _, says := s.promotion("inc-1"); !strings.HasPrefix(says, "Verifying") {
		t.Errorf("the request says %q", says)
	}
}

func TestRequestsThatAreNotCarriedOut(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	no := func(q *v1beta1.Promotion) { q.Spec.Bypass = nil }
	s.add(wish("stage", "qa", "1.0.0"))
	s.add(wish("version", "prod", "9.9.9"))
	s.add(wish("waits", "prod", "1.0.0", no))
	s.settle()
	for name, want := range map[string]string{
		"stage":   `Failed: stage qa, 1.0.0 is not promoted: pipeline web has no stage "qa"; it has dev, staging, prod`,
		"version": "Failed: stage prod, 9.9.9 is not promoted: the pipeline has no candidate 9.9.9",
		"waits":   "Waiting: stage prod, 1.0.0 waits: 1.0.0: upstream: not verified in staging",
	} {
		if _, says := s.promotion(name); says != want {
			t.Errorf("%s: %q, want %q", name, says, want)
		}
	}
	s.add(wish("newer", "prod", "1.0.0", no, func(q *v1beta1.Promotion) { q.CreationTimestamp = at(1) }))
	s.time = now.Add(time.Minute)
	if next := s.settle(); next != 2*time.Hour {
		t.Errorf("the pipeline is reconciled again in %s, not at the deadline of the request", next)
	}
	if q, says := s.promotion("waits"); says != "Superseded: stage prod, 1.0.0 is not promoted: Promotion newer was "+
		"requested after it" || q.Status.FinishedAt == nil {
		t.Errorf("waits: %q", says)
	}
	s.time = now.Add(2*time.Hour + time.Minute)
	s.settle()
	if _, says := s.promotion("newer"); !strings.HasPrefix(says, "Failed: stage prod, 1.0.0 is not promoted: not "+
		"promoted within 2h0m0s: ") {
		t.Errorf("newer: %q", says)
	}
	if got := len(s.pipeline.Status.Stages[2].Requests); got != 3 {
		t.Errorf("prod remembers %d requests", got)
	}
}

// A Promotion with the labels and the name of a record is none: it is carried out as a request, and the record gets
// another name.
func TestARecordCannotBeFaked(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	fake := wish("web-prod-1", "prod", "1.0.0", func(q *v1beta1.Promotion) {
		q.Labels = map[string]string{v1beta1.PipelineLabel: labelOf(s.pipeline), v1beta1.StageLabel: "prod"}
	})
	s.add(fake)
	s.settle()
	if name := s.pipeline.Status.Stages[2].Delivery.Promotion; name != "web-prod-2" {
		t.Errorf("the record is %s", name)
	}
	if record, _ := s.promotion("web-prod-2"); record.Spec.Request != "web-prod-1" {
		t.Errorf("the record is %+v", record.Spec)
	}
	former := wish("former", "prod", "1.0.0", func(q *v1beta1.Promotion) {
		q.OwnerReferences = ownedBy(s.pipeline)
		q.OwnerReferences[0].UID = "the pipeline before"
	})
	s.add(former)
	s.settle()
	if _, says := s.promotion("former"); says != ": " {
		t.Errorf("the record of a former pipeline says %q", says)
	}
}

// A Promotion with the owner, the labels and the name of a later record is none: the controller writes no verdict about
// it, and a stage does not get its chart.
func TestAnOwnerReferenceMakesNoRecord(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	s.settle()
	before := s.pipeline.Status.Stages[2].DeepCopy()
	fake := wish("web-prod-9", "prod", "6.6.6", func(q *v1beta1.Promotion) {
		q.Spec.Digest, q.Spec.Cause = "sha256:forged", promotion.CauseAuto
		q.Labels = map[string]string{v1beta1.PipelineLabel: labelOf(s.pipeline), v1beta1.StageLabel: "prod"}
		q.OwnerReferences = ownedBy(s.pipeline)
	})
	s.add(fake)
	s.settle()
	s.settle()
	if diff := cmp.Diff(before, &s.pipeline.Status.Stages[2]); diff != "" {
		t.Errorf("the stage changed (-before +after):\n%s", diff)
	}
	if q, _ := s.promotion("web-prod-9"); q.Status.Phase != "" {
		t.Errorf("the forged record is %s", q.Status.Phase)
	}
}

func TestRequestsAfter(t *testing.T) {
	t.Parallel()
	answers := func(phases ...string) promotion.Decision {
		d := promotion.Decision{Phase: promotion.PhaseIdle}
		for i, phase := range phases {
			d.Answers = append(d.Answers, promotion.Answer{Name: string(rune('a' + i)), Phase: phase})
		}
		return d
	}
	all, changed := requestsAfter(nil, answers("Waiting", "Failed"))
	if len(all) != 2 || !changed || all[1].Name != "a" {
		t.Errorf("%+v, %t", all, changed)
	}
	if again, changed := requestsAfter(all, answers("Waiting")); len(again) != 2 || changed {
		t.Errorf("the same answers change %+v, %t", again, changed)
	}
	if gone, changed := requestsAfter(all, answers()); len(gone) != 1 || !changed || gone[0].Name != "b" {
		t.Errorf("a request that was deleted while it waited stays: %+v, %t", gone, changed)
	}
	suspended := promotion.Decision{Phase: promotion.PhaseSuspended}
	if kept, changed := requestsAfter(all, suspended); len(kept) != 2 || changed {
		t.Errorf("a suspended pipeline forgets %+v, %t", kept, changed)
	}
	var full []v1beta1.StageRequest
	for range maxRequests {
		full = append(full, v1beta1.StageRequest{Name: "old", Phase: "Failed"})
	}
	if bounded, _ := requestsAfter(full, answers("Waiting")); len(bounded) != maxRequests ||
		bounded[maxRequests-1].Name != "a" {
		t.Errorf("%d requests are remembered", len(bounded))
	}
}

// A Promotion waits for its pipeline until the deadline. The pipeline itself answers when it exists.
func TestAPromotionWithoutPipeline(t *testing.T) {
	t.Parallel()
	s := requestSite(t)
	h := &requestHandler{cached: s.objects, now: func() time.Time { return s.time }}
	reconcile := func(q *v1beta1.Promotion) time.Duration {
		next, err := h.Reconcile(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	known := wish("known", "prod", "1.0.0")
	if next := reconcile(known); next != 0 || known.Status.Phase != "" {
		t.Errorf("with a pipeline it is %+v, again in %s", known.Status, next)
	}
	lost := wish("lost", "prod", "1.0.0", func(q *v1beta1.Promotion) { q.Spec.Pipeline = "wbe" })
	if next := reconcile(lost); next != 2*time.Hour || status.Message(lost) != "ReleasePipeline apps/wbe does not exist; "+
		"the controller continues when it does, until 2026-03-02T11:00:00Z" {
		t.Errorf("it says %q, again in %s", status.Message(lost), next)
	}
	s.time = now.Add(2 * time.Hour)
	if next := reconcile(lost); next != 0 || lost.Status.Phase != v1beta1.PromotionFailed || !status.IsStalled(lost) {
		t.Errorf("after the deadline it is %+v, again in %s", lost.Status, next)
	}
	record := wish("record", "prod", "1.0.0", func(q *v1beta1.Promotion) {
		q.Spec.Pipeline, q.OwnerReferences = "wbe", ownedBy(s.pipeline)
	})
	if reconcile(record); record.Status.Phase != "" {
		t.Errorf("a record is answered: %+v", record.Status)
	}
}

// The controller of Promotions looks at those of users alone; the pipeline keeps its records.
func TestRecordsAreNotReconciled(t *testing.T) {
	t.Parallel()
	p := threeStages()
	for _, tt := range []struct {
		promotion *v1beta1.Promotion
		want      bool
	}{
		{&v1beta1.Promotion{}, true},
		{&v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{OwnerReferences: ownedBy(p)}}, false},
	} {
		if got := isRequest(tt.promotion); got != tt.want {
			t.Errorf("a Promotion with the owners %v is reconciled: %v", tt.promotion.OwnerReferences, got)
		}
	}
	if isRequest(p) {
		t.Error("a pipeline is no Promotion")
	}
}
