package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/oci"
)

// copier is a registry that everything can be copied to, or nothing.
type copier struct {
	woken chan struct{}

	mu   sync.Mutex
	err  error
	held bool
	// copied are the charts that were copied, as "URL version digest tag".
	copied []string
}

// Copy implements Copier.
func (c *copier) Copy(ctx context.Context, want catalog.Copy) (catalog.Copied, error) {
	want.Progress(3, 10)
	c.mu.Lock()
	held, err := c.held, c.err
	c.copied = append(c.copied, strings.Join([]string{want.To.URL, want.Version, want.Digest, want.To.Tag}, " "))
	c.mu.Unlock()
	if held {
		<-ctx.Done()
		return catalog.Copied{}, ctx.Err()
	}
	return catalog.Copied{Copied: oci.Copied{Bytes: 10, Referrers: 2}, SignedBy: "key a.pub"}, err
}

func (c *copier) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *copier) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.copied
	c.copied = nil
	return taken
}

// copying is a pipeline whose second stage is a registry, and whose first has verified 1.0.0.
func copying(t *testing.T, change ...func(*v1beta1.StageCopy)) *site {
	t.Helper()
	hr := verifiedRelease(func(hr *v1beta1.HelmRelease) {
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web-dev"}
		hr.Status.History[0].ChartDigest, hr.Status.LastVerified.ChartDigest = "sha256:one", "sha256:one"
	})
	to := &v1beta1.StageCopy{URL: "oci://prod.example.com/web", Tag: "stable", Channel: true}
	for _, c := range change {
		c(to)
	}
	s := newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:2]
		p.Spec.Stages[1].Deliver = &v1beta1.StageDeliver{Copy: to}
	}), hr)
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	return s
}

// await reconciles until the copies that were begun have ended, and nothing is left to do now.
func (s *site) await() time.Duration {
	s.Helper()
	s.settle()
	for _, one := range s.pipeline.Status.Stages {
		if s.copies.of(copyKey(s.pipeline, one.Name)) != nil {
			<-s.copier.woken
		}
	}
	return s.settle()
}

func (s *site) copyStatus() v1beta1.StageCopyStatus {
	s.Helper()
	c := s.pipeline.Status.Stages[1].Copy
	if c == nil {
		s.Fatal("the stage has no copy")
	}
	return *c
}

// What the stage before has verified is copied, once; no OCIRepository is made for the stage. A chart that was copied
// is verified, and that is written in the status.
func TestAStageCopies(t *testing.T) {
	t.Parallel()
	s := copying(t)
	if next := s.await(); next != 0 {
		t.Errorf("it is reconciled again in %s", next)
	}
	want := []string{"oci://prod.example.com/web 1.0.0 sha256:one stable"}
	if diff := cmp.Diff(want, s.copier.take()); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	stage := s.pipeline.Status.Stages[1]
	if stage.Phase != promotion.PhaseVerified || stage.Message != "1.0.0: copied to oci://prod.example.com/web" {
		t.Errorf("the stage is %s: %s", stage.Phase, stage.Message)
	}
	if c := s.copyStatus(); c.CopiedAt == nil || c.Bytes != 10 || c.Referrers != 2 || c.SignedBy != "key a.pub" {
		t.Errorf("the copy is %+v", c)
	}
	list := &v1beta1.OCIRepositoryList{}
	if err := s.objects.List(t.Context(), list); err != nil || slices.ContainsFunc(list.Items,
		func(r v1beta1.OCIRepository) bool { return r.Name == "web-staging" }) {
		t.Errorf("the stage has an OCIRepository, %v", err)
	}
	before := s.pipeline.DeepCopy()
	s.time = s.time.Add(time.Hour)
	s.await()
	if diff := cmp.Diff(before, s.pipeline); diff != "" || len(s.copier.take()) > 0 {
		t.Errorf("an idle pipeline copies again, or changes (-before +after):\n%s", diff)
	}
	s.pipeline.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "1"}
	s.await()
	if len(s.copier.take()) != 1 || s.copyStatus().CopiedAt.Time != before.Status.Stages[1].Copy.CopiedAt.Time {
		t.Error("a request does not repeat the copy, or it counts as another one")
	}
}

// A failure that another attempt can help with waits; any other rejects the candidate.
func TestCopiesThatFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		phase  string
		reason string // of the pipeline
		next   time.Duration
		says   string
	}{
		{"busy", sources.Fail(v1beta1.FetchFailedReason, nil, "429").After(time.Minute), promotion.PhaseVerifying,
			v1beta1.FetchFailedReason, time.Minute, "429; the controller tries again at 2026-03-02T09:01:00Z"},
		{"broken", sources.Fail(v1beta1.FetchFailedReason, nil, "500"), promotion.PhaseVerifying,
			v1beta1.FetchFailedReason, firstRetry, "500"},
		{"no credentials", sources.Fail(v1beta1.AuthenticationFailedReason, nil, "Secret apps/push: 401"),
			promotion.PhaseVerifying, v1beta1.AuthenticationFailedReason, firstRetry, "Secret apps/push"},
		{"keys that cannot be read", sources.Stall(v1beta1.VerificationFailedReason, nil, "no keys"),
			promotion.PhaseVerifying, v1beta1.VerificationFailedReason, firstRetry, "no keys"},
		{"a panic", errors.New("panic"), promotion.PhaseVerifying, v1beta1.FetchFailedReason, firstRetry, "panic"},
		{"a conflict", sources.Stall(v1beta1.InvalidContentReason, oci.ErrTagConflict, "1.0.0"), promotion.PhaseFailed,
			v1beta1.CandidateRejectedReason, 0, "TagConflict"},
		{"referrers do not travel", sources.Stall(v1beta1.InvalidContentReason, oci.ErrNotTransferred, "x"),
			promotion.PhaseFailed, v1beta1.CandidateRejectedReason, 0, "ReferrersNotTransferred"},
		{"the source has lost it", sources.Stall(v1beta1.NotFoundReason, oci.ErrGone, "x"), promotion.PhaseFailed,
			v1beta1.CandidateRejectedReason, 0, "SourceGone"},
		{"too large", sources.Stall(v1beta1.InvalidContentReason, oci.ErrCopyTooLarge, "x"), promotion.PhaseFailed,
			v1beta1.CandidateRejectedReason, 0, "TooLarge"},
		{"not signed", sources.Fail(v1beta1.VerificationFailedReason, nil, "no signature"), promotion.PhaseFailed,
			v1beta1.CandidateRejectedReason, 0, "no signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := copying(t)
			s.copier.fail(tt.err)
			next := s.await()
			stage := s.pipeline.Status.Stages[1]
			if stage.Phase != tt.phase || !strings.Contains(stage.Message, tt.says) || next != tt.next {
				t.Errorf("the stage is %s: %s; again in %s", stage.Phase, stage.Message, next)
			}
			if got := s.ready(); got.Reason != tt.reason {
				t.Errorf("the pipeline is %s: %s", got.Reason, got.Message)
			}
			s.copier.fail(nil)
			s.time = s.time.Add(tt.next)
			if tt.phase == promotion.PhaseFailed {
				s.pipeline.Annotations = map[string]string{
					v1beta1.ReconcileRequestAnnotation: "1", v1beta1.ResetRequestAnnotation: "1",
				}
			}
			s.await()
			if got := s.pipeline.Status.Stages[1]; got.Phase != promotion.PhaseVerified || s.copyStatus().Message != "" {
				t.Errorf("afterwards the stage is %s: %s", got.Phase, got.Message)
			}
		})
	}
}

// A stage that copies goes back by its tag. The status says that the registry keeps the tag of the version.
func TestACopyGoesBack(t *testing.T) {
	t.Parallel()
	s := copying(t)
	s.await()
	s.copier.take()
	hr := &v1beta1.HelmRelease{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web"}, hr); err != nil {
		t.Fatal(err)
	}
	hr.Status.History[0].ChartDigest, hr.Status.LastVerified.ChartDigest = "sha256:two", "sha256:two"
	if err := s.objects.Update(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:two"}
	s.await()
	s.pipeline.Spec.Stages[1].Rejected = []string{"1.1.0"}
	s.await()
	want := []string{
		"oci://prod.example.com/web 1.1.0 sha256:two stable", "oci://prod.example.com/web 1.0.0 sha256:one stable",
	}
	if diff := cmp.Diff(want, s.copier.take()); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	stage := s.pipeline.Status.Stages[1]
	if len(stage.Rejected) != 1 || stage.Rejected[0].Reason != "a user rejected it; the registry keeps the tag 1.1.0" {
		t.Errorf("the stage rejects %+v", stage.Rejected)
	}
	if stage.Delivery.Version != "1.0.0" || !stage.Delivery.Verified {
		t.Errorf("the stage has %+v", stage.Delivery)
	}
}

// The progress of a copy that runs is written every few seconds. A copy of what the stage no longer has ends.
func TestACopyThatRuns(t *testing.T) {
	t.Parallel()
	s := copying(t)
	s.copier.held = true
	if next := s.settle(); next != progressEvery {
		t.Errorf("it is reconciled again in %s", next)
	}
	for range 200 { // the task runs beside
		s.time = s.time.Add(progressEvery)
		s.settle()
		if s.copyStatus().Total > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if c := s.copyStatus(); c.Bytes != 3 || c.Total != 10 || c.CopiedAt != nil {
		t.Fatalf("the copy is %+v", c)
	}
	s.copier.mu.Lock()
	s.copier.held = false
	s.copier.mu.Unlock()
	s.pipeline.Spec.Stages[1].Deliver.Copy.URL = "oci://other.example.com/web"
	s.settle()
	<-s.copier.woken
	s.await()
	want := []string{
		"oci://prod.example.com/web 1.0.0 sha256:one stable", "oci://other.example.com/web 1.0.0 sha256:one stable",
	}
	if diff := cmp.Diff(want, s.copier.take()); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	if c := s.copyStatus(); c.URL != "oci://other.example.com/web" || c.CopiedAt == nil {
		t.Errorf("the copy is %+v", c)
	}
}

// A pipeline that is suspended, or gone, copies nothing any more.
func TestSuspendedCopies(t *testing.T) {
	t.Parallel()
	s := copying(t)
	s.copier.held = true
	s.settle()
	s.pipeline.Spec.Suspend = true
	s.settle()
	<-s.copier.woken // the copy ended by the suspension
	s.pipeline.Spec.Suspend, s.copier.held = false, false
	s.await()
	if got := s.pipeline.Status.Stages[1]; got.Phase != promotion.PhaseVerified {
		t.Errorf("afterwards the stage is %s: %s", got.Phase, got.Message)
	}
}

// A copy that asks for signatures in a way that is not supported is not made.
func TestUnsupportedSignatures(t *testing.T) {
	t.Parallel()
	s := copying(t, func(to *v1beta1.StageCopy) {
		to.Verify = &v1beta1.Verification{Provider: v1beta1.VerifyNotation}
	})
	s.await()
	if got := s.ready(); got.Reason != v1beta1.UnsupportedReason || !strings.Contains(got.Message,
		"spec.stages[1].deliver.copy.verify.provider notation") || len(s.copier.take()) > 0 {
		t.Errorf("the pipeline is %s: %s", got.Reason, got.Message)
	}
}

// The pause between attempts doubles up to a limit.
func TestRetryPause(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int64]time.Duration{1: firstRetry, 2: 2 * firstRetry, 3: 4 * firstRetry,
		7: lastRetry, 1000: lastRetry} {
		if got := retryPause(failures); got != want {
			t.Errorf("after %d failures it waits %s, want %s", failures, got, want)
		}
	}
}
