package pipeline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
)

// promotedTwice is a pipeline whose first stage verified 1.0.0, and then got 1.1.0.
func promotedTwice(t *testing.T) *site {
	t.Helper()
	hr := verifiedRelease(func(hr *v1beta1.HelmRelease) {
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-dev"}
	})
	s := newSite(t, threeStages(), hr)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
	s.settle()
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "three"}
	s.settle()
	if has := s.stages(); has[0] != "dev 1.1.0 Verifying web-dev-2" {
		t.Fatalf("the stages are %v", has)
	}
	return s
}

// stages says what each stage has.
func (s *site) stages() (all []string) {
	for _, stage := range s.pipeline.Status.Stages {
		text := stage.Name + " - " + stage.Phase
		if d := stage.Delivery; d != nil {
			text = strings.Join([]string{stage.Name, d.Version, stage.Phase, d.Promotion}, " ")
		}
		all = append(all, text)
	}
	return all
}

func (s *site) records() (all []string) {
	s.Helper()
	list := &v1beta1.PromotionList{}
	if err := s.objects.List(s.Context(), list); err != nil {
		s.Fatal(err)
	}
	for _, p := range list.Items {
		all = append(all, p.Name+" "+p.Spec.Version+" "+p.Status.Phase)
		if !metav1.IsControlledBy(&p, s.pipeline) || p.Labels[v1beta1.PipelineLabel] != labelOf(s.pipeline) {
			s.Errorf("Promotion %s is of %v", p.Name, p.OwnerReferences)
		}
	}
	return all
}

// A pipeline whose status was lost is restored from the sources and the Promotions, although the subject is at a newer
// version by then and a request to reset is still in its annotations.
func TestALostStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		lose func(*site)
	}{
		{"the status is gone", func(s *site) { s.pipeline.Status = v1beta1.ReleasePipelineStatus{} }},
		{"the status is older", func(s *site) {
			older := newSite(t, threeStages())
			older.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
			older.settle()
			s.pipeline.Status = older.pipeline.Status
		}},
		{"the pipeline was made again, as by a restore", func(s *site) {
			s.pipeline.Status, s.pipeline.UID = v1beta1.ReleasePipelineStatus{}, "u2"
		}},
		{"the sources are gone, too", func(s *site) {
			s.pipeline.Status = v1beta1.ReleasePipelineStatus{}
			if err := s.objects.Delete(s.Context(), s.source("dev")); err != nil {
				s.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := promotedTwice(t)
			before := s.stages()
			tt.lose(s)
			s.pipeline.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now",
				v1beta1.ResetRequestAnnotation: "now"}
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.2.0", Digest: "four"}
			s.settle()
			if diff := cmp.Diff(before, s.stages()); diff != "" {
				t.Errorf("stages (-before +after):\n%s", diff)
			}
			if got := s.source("dev"); got.Spec.Reference.Digest != "three" || !metav1.IsControlledBy(got, s.pipeline) {
				t.Errorf("the source is at %s, of %v", got.Spec.Reference.Digest, got.OwnerReferences)
			}
			want := []string{"web-dev-1 1.0.0 Verified", "web-dev-2 1.1.0 Verifying", "web-staging-1 1.0.0 Verifying"}
			if diff := cmp.Diff(want, s.records()); diff != "" {
				t.Errorf("Promotions (-want +got):\n%s", diff)
			}
			var candidates []string
			for _, c := range s.pipeline.Status.Candidates {
				candidates = append(candidates, c.Version)
			}
			if got := strings.Join(candidates, " "); len(candidates) != 3 || candidates[0] != "1.2.0" {
				t.Errorf("the candidates are %s", got)
			}
			verified := s.pipeline.Status.Stages[0].Verified
			if len(verified) != 1 || verified[0].Version != "1.0.0" {
				t.Errorf("verified in dev: %+v", verified)
			}
			if got := s.pipeline.Status.LastHandledResetAt; got != "now" {
				t.Errorf("the request to reset that was handled last is %q", got)
			}
		})
	}
}

// A rejection is remembered after the status was lost: the stage does not get the candidate again.
func TestALostStatusForgetsNoRejection(t *testing.T) {
	t.Parallel()
	s := promotedTwice(t)
	hr := &v1beta1.HelmRelease{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web"}, hr); err != nil {
		t.Fatal(err)
	}
	hr.Status.KnownBad = []v1beta1.KnownBad{{ChartDigest: "three", ConfigDigest: "values", Reason: "BakeFailed"}}
	if err := s.objects.Update(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.settle()
	before := s.stages()
	if before[0] != "dev 1.0.0 Blocked web-dev-3" {
		t.Fatalf("the stages are %v", before)
	}
	hr.Status.KnownBad = nil
	if err := s.objects.Update(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.pipeline.Status = v1beta1.ReleasePipelineStatus{}
	s.settle()
	if diff := cmp.Diff(before, s.stages()); diff != "" {
		t.Errorf("stages (-before +after):\n%s", diff)
	}
	if got := s.pipeline.Status.Stages[0].Rejected; len(got) != 1 || !strings.Contains(got[0].Reason, "BakeFailed") {
		t.Errorf("rejected: %+v", got)
	}
}

// A Promotion that another client made neither restores anything nor is taken for the record of a delivery.
func TestAPromotionOfAnother(t *testing.T) {
	t.Parallel()
	forged := &v1beta1.Promotion{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web-prod-7"}}
	forged.Spec = v1beta1.PromotionSpec{Pipeline: "web", Stage: "prod", Version: "6.6.6", Digest: "evil", Cause: "Auto"}
	forged.Status.Phase = v1beta1.PromotionVerified
	first := forged.DeepCopy()
	first.Name, first.Spec.Stage = "web-dev-1", "dev"
	s := newSite(t, threeStages(), forged, first)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
	s.settle()
	want := []string{"dev 1.0.0 Verifying web-dev-2", "staging - Blocked", "prod - Blocked"}
	if diff := cmp.Diff(want, s.stages()); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	made := &v1beta1.Promotion{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web-dev-2"}, made); err != nil {
		t.Fatal(err)
	}
	if made.Spec.Digest != "two" || made.Spec.Cause != promotion.CauseAuto {
		t.Errorf("the record is %+v", made.Spec)
	}
}

// The source of a former pipeline of the same name is taken back, at the digest that it has. Any other object of the
// name is left alone, and named.
func TestWhoseSourceIsTaken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		owner func(*metav1.OwnerReference)
		taken bool
	}{
		{"of a former pipeline of the name", func(o *metav1.OwnerReference) { o.UID = "former" }, true},
		{"of another pipeline", func(o *metav1.OwnerReference) { o.Name = "other" }, false},
		{"of another kind", func(o *metav1.OwnerReference) { o.Kind = "HelmRelease" }, false},
		{"of another group", func(o *metav1.OwnerReference) { o.APIVersion = "example.com/v1" }, false},
		{"not controlled", func(o *metav1.OwnerReference) { o.Controller = nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web-dev"}}
			source.Spec.URL, source.Spec.Reference = "oci://elsewhere", &v1beta1.OCIRepositoryRef{Digest: "one"}
			p := threeStages()
			source.OwnerReferences = ownedBy(p)
			tt.owner(&source.OwnerReferences[0])
			s := newSite(t, p, source)
			s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "two"}
			s.settle()
			got := s.source("dev")
			if tt.taken {
				first := &v1beta1.Promotion{}
				key := client.ObjectKey{Namespace: "apps", Name: "web-dev-1"}
				if err := s.objects.Get(t.Context(), key, first); err != nil || first.Spec.Digest != "one" {
					t.Errorf("what the stage had is %+v, %v", first.Spec, err)
				}
				if !metav1.IsControlledBy(got, s.pipeline) || got.Spec.URL != "oci://registry.example.com/web" {
					t.Errorf("the source is %+v, of %v", got.Spec, got.OwnerReferences)
				}
				return
			}
			if ready := s.ready(); ready.Reason != v1beta1.OwnedByOtherReason ||
				!strings.Contains(ready.Message, "OCIRepository web-dev exists and is not of this pipeline") {
				t.Errorf("it says %+v", ready)
			}
			if diff := cmp.Diff(source.Spec, got.Spec); diff != "" || !cmp.Equal(source.OwnerReferences, got.OwnerReferences) {
				t.Errorf("the source was changed, and is of %v:\n%s", got.OwnerReferences, diff)
			}
		})
	}
}

// The record of a rejection stays, also after a user has let the candidate in again.
func TestTheRecordOfARejectionStays(t *testing.T) {
	t.Parallel()
	s := promotedTwice(t)
	hr := &v1beta1.HelmRelease{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web"}, hr); err != nil {
		t.Fatal(err)
	}
	bad := []v1beta1.KnownBad{{ChartDigest: "three", ConfigDigest: "values", Reason: "BakeFailed"}}
	for _, hr.Status.KnownBad = range [][]v1beta1.KnownBad{bad, nil} {
		if err := s.objects.Update(t.Context(), hr); err != nil {
			t.Fatal(err)
		}
		s.settle()
	}
	s.pipeline.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now",
		v1beta1.ResetRequestAnnotation: "now"}
	s.settle()
	want := []string{"web-dev-1 1.0.0 Verified", "web-dev-2 1.1.0 Rejected", "web-dev-3 1.0.0 Verified",
		"web-dev-4 1.1.0 Verifying", "web-staging-1 1.0.0 Verifying"}
	if diff := cmp.Diff(want, s.records()); diff != "" {
		t.Errorf("Promotions (-want +got):\n%s", diff)
	}
}
