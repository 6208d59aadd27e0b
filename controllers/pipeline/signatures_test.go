package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// signers answers about every digest, and counts the questions.
type signers struct {
	mu    sync.Mutex
	err   error
	asked []string
}

// Signed implements Signers.
func (s *signers) Signed(
	_ context.Context, choice catalog.ChartRef, digest string, v *v1beta1.Verification,
) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, choice.Name+" "+digest+" "+v.SecretRef.Name)
	return digest + " by key team.pub", s.err
}

func (s *signers) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *signers) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// signing is a site whose first stage wants signatures.
type signing struct {
	*site
	signers *signers
	woken   chan types.NamespacedName
}

func newSigning(t *testing.T) *signing {
	t.Helper()
	s := &signing{signers: &signers{}, woken: make(chan types.NamespacedName, 10)}
	s.site = newSite(t, threeStages(func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = p.Spec.Stages[:1]
		p.Spec.Stages[0].Gates = &v1beta1.StageGates{Verify: &v1beta1.Verification{
			Provider: "cosign", SecretRef: &v1beta1.LocalObjectReference{Name: "keys"},
		}}
	}))
	tasks := loop.NewTasks[[]signed](t.Context(), func(key types.NamespacedName) { s.woken <- key }, time.Now)
	s.signatures = newSignatures(s.signers, tasks, func() time.Time { return s.time })
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	return s
}

// answered waits for the answer of the registry, and reconciles.
func (s *signing) answered() time.Duration {
	s.Helper()
	select {
	case <-s.woken:
	case <-time.After(10 * time.Second):
		s.Fatal("no signature was checked")
	}
	return s.settle()
}

func (s *signing) gate() string {
	s.Helper()
	for _, g := range s.pipeline.Status.Stages[0].Gates {
		if g.Name == "signature" {
			return g.Result + ": " + g.Message
		}
	}
	return ""
}

// A signature is checked once for a digest, and again after an hour or when a user asks for it. A registry that does
// not answer is asked again in a minute, or when it says.
func TestSignaturesOfStages(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	s.signers.set(sources.Fail(v1beta1.VerificationFailedReason, nil, "it has no signature"))
	s.settle()
	if got := s.gate(); got != "Wait: its signatures are being checked" {
		t.Errorf("before the answer: %s", got)
	}
	if next := s.answered(); next != time.Hour || s.gate() != "Fail: it has no signature" {
		t.Errorf("no signature: %s, again in %s", s.gate(), next)
	}
	s.time = s.time.Add(59 * time.Minute)
	s.settle()
	if n := s.signers.count(); n != 1 {
		t.Fatalf("it was checked %d times", n)
	}

	s.time = s.time.Add(time.Minute)
	s.signers.set(errors.New("no route to host"))
	s.settle()
	if next := s.answered(); next != time.Minute ||
		s.gate() != "Wait: its signatures could not be checked: no route to host" {
		t.Errorf("no answer: %s, again in %s", s.gate(), next)
	}
	s.time = s.time.Add(time.Minute)
	s.signers.set(sources.Fail(v1beta1.FetchFailedReason, nil, "429").After(5 * time.Minute))
	s.settle()
	if next := s.answered(); next != 5*time.Minute {
		t.Errorf("too many requests: %s, again in %s", s.gate(), next)
	}

	s.signers.set(nil)
	s.pipeline.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "now"}
	s.settle()
	s.answered()
	if d := s.pipeline.Status.Stages[0].Delivery; d == nil || d.Digest != "sha256:one" {
		t.Errorf("signed: %s", s.gate())
	}
	if n := s.signers.count(); n != 4 || s.signers.asked[0] != "web sha256:one keys" {
		t.Errorf("it was checked %d times: %v", n, s.signers.asked)
	}
	s.time = s.time.Add(48 * time.Hour)
	s.settle()
	if n := s.signers.count(); n != 4 {
		t.Errorf("the controller checked the candidate that the stage has again: %v", s.signers.asked)
	}
}

// A candidate of which the check panics is not promoted.
func TestACheckOfSignaturesFails(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	s.signatures.signers = panicking{}
	s.settle()
	s.answered()
	if got := s.gate(); !strings.HasPrefix(got, "Wait: its signatures could not be checked") {
		t.Errorf("the gate says %s", got)
	}
}

type panicking struct{}

// Signed implements Signers.
func (panicking) Signed(context.Context, catalog.ChartRef, string, *v1beta1.Verification) (string, error) {
	panic("a fault")
}

// A verification that is not supported stalls the pipeline.
func TestUnsupportedSignatureGates(t *testing.T) {
	t.Parallel()
	s := newSigning(t)
	s.pipeline.Spec.Stages[0].Gates.Verify = &v1beta1.Verification{Provider: "notation"}
	s.settle()
	if ready := s.ready(); ready.Reason != v1beta1.UnsupportedReason || !status.IsStalled(s.pipeline) ||
		!strings.Contains(ready.Message, "spec.stages[0].gates.verify.provider notation is not supported") {
		t.Errorf("it says %+v", ready)
	}
	s.pipeline.Spec.Stages[0].Gates.Verify = &v1beta1.Verification{
		MatchOIDCIdentity: []v1beta1.OIDCIdentityMatch{{Issuer: "x", Subject: "y"}},
	}
	s.pipeline.ObjectMeta = metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "u1", Generation: 2}
	s.settle()
	if ready := s.ready(); ready.Reason != v1beta1.UnsupportedReason {
		t.Errorf("it says %+v", ready)
	}
}

// A directory in Git has no signature of its own: gates that ask for one stall the pipeline.
func TestSignatureGatesOfGit(t *testing.T) {
	t.Parallel()
	for field, gates := range map[string]*v1beta1.StageGates{
		"verify":       {Verify: &v1beta1.Verification{SecretRef: &v1beta1.LocalObjectReference{Name: "keys"}}},
		"attestations": {Attestations: []v1beta1.RequiredAttestation{{Stage: "dev"}}},
	} {
		s := newSigning(t)
		s.pipeline.Spec.Subject.SourceRef.Kind, s.pipeline.Spec.Subject.Chart = v1beta1.GitRepositoryKind, "charts/web"
		s.pipeline.Spec.Stages[0].Gates = gates
		s.settle()
		want := "spec.stages[0].gates." + field + " does not go with a GitRepository"
		if ready := s.ready(); ready.Reason != v1beta1.UnsupportedReason || !status.IsStalled(s.pipeline) ||
			!strings.Contains(ready.Message, want) {
			t.Errorf("with %s it says %+v", field, ready)
		}
	}
}
