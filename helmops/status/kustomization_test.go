package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

func applied(digest string) *v1beta1.Kustomization {
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
	at := metav1.NewTime(now.Add(-time.Hour))
	k.Status.LastAttemptedDigest, k.Status.LastAppliedDigest, k.Status.LastAppliedRevision, k.Status.LastAttemptedAt = digest, digest, "main@1", &at
	return k
}

func TestKustomizationAppliedTellsWhatIsNew(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		had     *v1beta1.Kustomization
		outcome Applied
		reason  string
		warning bool
		message string
		drifted string
		moved   bool
	}{
		{"the first time", &v1beta1.Kustomization{}, Applied{Revision: "main@1", Digest: "d1", Created: []string{"ConfigMap a/x"}},
			v1beta1.AppliedReason, false, "main@1 applied: created ConfigMap a/x", "False InSync", true},
		{"another revision that changes nothing", applied("d1"), Applied{Revision: "main@2", Digest: "d2"}, "", false, "", "False InSync", true},
		{"the same again", applied("d1"), Applied{Revision: "main@1", Digest: "d1"}, "", false, "", "False InSync", false},
		{"a correction", applied("d1"), Applied{Revision: "main@1", Digest: "d1", Corrected: []string{"ConfigMap a/x (it was gone)"}},
			v1beta1.DriftCorrectedReason, true, "corrected, because another client had changed it: ConfigMap a/x (it was gone)", "False DriftCorrected", true},
		{"something is left", applied("d1"), Applied{Revision: "main@1", Digest: "d1", Kept: []string{"ConfigMap a/x, because"}},
			"", false, "left as it is", "True DriftDetected", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.outcome.Generation = 2
			event := KustomizationApplied(tt.had, tt.outcome, now)
			if event.Reason != tt.reason || event.Warning != tt.warning || !strings.Contains(event.Message, tt.message) {
				t.Errorf("event %+v", event)
			}
			if got := allConditions(tt.had)["Drifted"]; got != tt.drifted {
				t.Errorf("Drifted is %s, want %s", got, tt.drifted)
			}
			s := tt.had.Status
			if s.LastAppliedDigest != tt.outcome.Digest || s.LastAppliedRevision != tt.outcome.Revision || s.Failures != 0 || s.ObservedGeneration != 2 {
				t.Errorf("status %+v", s)
			}
			if moved := s.LastAttemptedAt != nil && s.LastAttemptedAt.Time.Equal(now); moved != tt.moved {
				t.Errorf("lastAttemptedAt is %v", s.LastAttemptedAt)
			}
		})
	}
}

func TestKustomizationFailures(t *testing.T) {
	t.Parallel()
	k := applied("d1")
	wrong := Applied{Generation: 2, Revision: "main@2", Digest: "d2", Next: "the controller retries 5s later", Created: []string{"ConfigMap a/x"},
		Failure: &Failure{Reason: v1beta1.ApplyFailedReason, Message: "the disk is full"}}
	event := KustomizationApplied(k, wrong, now)
	if !event.Warning || event.Reason != v1beta1.ApplyFailedReason {
		t.Errorf("event %+v", event)
	}
	for _, part := range []string{"main@2 is not applied: the disk is full", "by then: created ConfigMap a/x", "main@1 stays applied", "retries 5s later"} {
		if !strings.Contains(Message(k), part) {
			t.Errorf("the message lacks %q: %s", part, Message(k))
		}
	}
	wrong.Next = "the controller retries 10s later" // when it follows is no news
	if again := KustomizationApplied(k, wrong, now.Add(time.Minute)); again.Reason != "" || k.Status.Failures != 2 {
		t.Errorf("the same failure is told again (%+v), or is not counted: %d", again, k.Status.Failures)
	}
	final := wrong
	final.Digest, final.Failure = "d3", &Failure{Reason: v1beta1.ValidationFailedReason, Message: "a field is wrong", Final: true}
	KustomizationApplied(k, final, now)
	if !IsStalled(k) || k.Status.Failures != 1 || !strings.Contains(Message(k), "retries") {
		t.Errorf("stalled %v, %d failures: %s", IsStalled(k), k.Status.Failures, Message(k))
	}
	KustomizationApplied(k, Applied{Generation: 2, Revision: "main@4", Digest: "d4"}, now)
	KustomizationSettled(k, nil, false, now)
	if diff := cmp.Diff(map[string]string{"Ready": "True Applied"}, conditions(k)); diff != "" || k.Status.Failures != 0 {
		t.Errorf("%d failures; conditions (-want +got):\n%s", k.Status.Failures, diff)
	}
}

func TestKustomizationSettled(t *testing.T) {
	t.Parallel()
	waiting := []v1beta1.ObjectHealth{{Kind: "Deployment", Namespace: "a", Name: "web", State: "InProgress", Message: "0 of 1 ready"}}
	for _, tt := range []struct {
		name    string
		waiting []v1beta1.ObjectHealth
		overdue bool
		ready   string
		message string
	}{
		{"healthy", nil, false, "True Applied", "main@1 is applied, 0 objects"},
		{"not yet", waiting, false, "Unknown Progressing", "waiting for Deployment a/web"},
		{"overdue", waiting, true, "False Unhealthy", "after 5m0s these are not healthy: Deployment a/web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := applied("d1")
			KustomizationSettled(k, tt.waiting, tt.overdue, now)
			if got := allConditions(k)["Ready"]; got != tt.ready || !strings.Contains(Message(k), tt.message) {
				t.Errorf("Ready is %s: %s", got, Message(k))
			}
		})
	}
}

func TestKustomizationBlockedKeepsWhatIsApplied(t *testing.T) {
	t.Parallel()
	k := applied("d1")
	KustomizationBlocked(k, kustomization.Obstacle{Reason: v1beta1.AccessDeniedReason, Message: "no rights"}, now)
	if got := Message(k); got != "no rights; main@1 stays applied" || IsStalled(k) {
		t.Errorf("message %q", got)
	}
	KustomizationBlocked(k, kustomization.Obstacle{Reason: v1beta1.InvalidReferenceReason, Message: "wrong", Final: true}, now)
	if !IsStalled(k) {
		t.Error("what only a change can help is not stalled")
	}
}

func TestKustomizationHealth(t *testing.T) {
	t.Parallel()
	k := applied("d1")
	many := make([]v1beta1.ObjectHealth, maxObjects+3)
	for i := range many {
		many[i] = v1beta1.ObjectHealth{Kind: "Pod", Name: strings.Repeat("x", i+1), State: "Failed"}
	}
	KustomizationHealth(k, Health{Known: true, Objects: many, Of: 20}, now)
	if got := allConditions(k)["Healthy"]; got != "False Unhealthy" || len(k.Status.Unhealthy) != maxObjects {
		t.Errorf("Healthy is %s with %d objects", got, len(k.Status.Unhealthy))
	}
	KustomizationHealth(k, Health{Of: 20}, now)
	if got := allConditions(k)["Healthy"]; got != "Unknown Unknown" || len(k.Status.Unhealthy) != maxObjects {
		t.Errorf("Healthy is %s with %d objects", got, len(k.Status.Unhealthy))
	}
	KustomizationHealth(k, Health{Known: true, Of: 20}, now)
	if got := allConditions(k)["Healthy"]; got != "True Healthy" || len(k.Status.Unhealthy) != 0 {
		t.Errorf("Healthy is %s with %d objects", got, len(k.Status.Unhealthy))
	}
}

// A failed deletion is about the objects, not about the revision, which is applied.
func TestAFailedDeletionSaysSo(t *testing.T) {
	t.Parallel()
	k := applied("d1")
	failure := &Failure{Reason: v1beta1.PruneRefusedReason, Message: "Namespace a holds pods b"}
	event := KustomizationApplied(k, Applied{
		Generation: 2, Revision: "main@1", Digest: "deleted", Departing: true,
		Failure: failure, Next: "the controller retries 5s later",
	}, now)
	want := "the objects are not deleted: Namespace a holds pods b"
	if event.Message != want || Message(k) != want+"; the controller retries 5s later" {
		t.Errorf("event %q, message %q", event.Message, Message(k))
	}
}

// That building exceeded a bound stays known, with its message, until another attempt ends otherwise.
func TestKustomizationLimitIsKept(t *testing.T) {
	t.Parallel()
	k := applied("d1")
	failure := &Failure{Reason: v1beta1.RenderingLimitExceededReason, Final: true, Message: "a.yaml: too much"}
	KustomizationApplied(k, Applied{Generation: 2, Revision: "main@2", Digest: "d2", Failure: failure, Next: "nothing follows"}, now)
	want := "main@2 is not applied: a.yaml: too much; main@1 stays applied; nothing follows"
	if l := k.Status.LimitExceeded; l == nil || l.Digest != "d2" || l.Message != want || !IsStalled(k) {
		t.Fatalf("limitExceeded %+v, conditions %v", l, allConditions(k))
	}
	Progressing(k, "waiting for its source", now)
	KustomizationLimited(k, now)
	if !IsStalled(k) || Message(k) != want || allConditions(k)["Ready"] != "False RenderingLimitExceeded" {
		t.Errorf("conditions %v, message %q", allConditions(k), Message(k))
	}
	slow := &Failure{Reason: v1beta1.RenderingLimitExceededReason, Message: "a.yaml: took too long"}
	for name, outcome := range map[string]Applied{
		"success": {Digest: "d3"}, "another failure": {Digest: "d3", Failure: &Failure{Reason: v1beta1.ApplyFailedReason}},
		"a bound that depends on the machine": {Digest: "d2", Failure: slow},
	} {
		again := k.DeepCopy()
		KustomizationApplied(again, outcome, now)
		if again.Status.LimitExceeded != nil {
			t.Errorf("after %s it is still %+v", name, again.Status.LimitExceeded)
		}
	}
}
