package status

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func bakesFor(length time.Duration) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Bake = &metav1.Duration{Duration: length} }
}

func verified(hr *v1beta1.HelmRelease) string { return allConditions(hr)[v1beta1.VerifiedCondition] }

func messageOf(hr *v1beta1.HelmRelease, kind string) string {
	for _, c := range hr.Status.Conditions {
		if c.Type == kind {
			return c.Message
		}
	}
	return ""
}

func TestARevisionIsVerifiedWhenItHasBaked(t *testing.T) {
	t.Parallel()
	hr := helmRelease(bakesFor(time.Minute))
	ReleaseDone(hr, outcome(plan.Install), now)
	if hr.Status.LastVerified != nil || verified(hr) != "Unknown Baking" || conditions(hr)["Ready"] != "True InstallSucceeded" {
		t.Fatalf("after the rollout: %v, verified %+v", allConditions(hr), hr.Status.LastVerified)
	}
	if bake := hr.Status.Bake; bake == nil || bake.Revision != 1 || !bake.Until.Time.Equal(now.Add(time.Minute)) {
		t.Fatalf("bake %+v", bake)
	}
	history := []plan.Record{revision(1, plan.StatusDeployed)}
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target, Reason: v1beta1.BakingReason, Baking: true, Message: "wait"}, history, now.Add(30*time.Second))
	if verified(hr) != "Unknown Baking" || hr.Status.LastVerified != nil {
		t.Errorf("half way: %v", allConditions(hr))
	}
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}, history, now.Add(time.Minute))
	if had := hr.Status.LastVerified; verified(hr) != "True Verified" || had == nil || had.ChartDigest != chart1.Digest || had.ConfigDigest != "sha256:c" || hr.Status.Bake != nil {
		t.Errorf("in the end: %v, verified %+v, bake %+v", allConditions(hr), had, hr.Status.Bake)
	}
	if text := messageOf(hr, v1beta1.VerifiedCondition); !strings.Contains(text, chart1.Digest) || !strings.Contains(text, "sha256:c") {
		t.Errorf("what is verified is not named: %q", text)
	}
}

func TestABakeThatFails(t *testing.T) {
	t.Parallel()
	hr := helmRelease(bakesFor(time.Minute))
	ReleaseDone(hr, outcome(plan.Install), now)
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target}, []plan.Record{revision(1, plan.StatusDeployed)}, now.Add(time.Minute))
	ReleaseDone(hr, outcome(plan.Upgrade, bad, func(o *Outcome) {
		o.History = []plan.Record{revision(2, plan.StatusDeployed), revision(1, plan.StatusSuperseded)}
		o.History[0].Chart.Digest = "sha256:2"
	}), now.Add(2*time.Minute))
	if verified(hr) != "Unknown Baking" || hr.Status.LastVerified.Revision != 1 {
		t.Fatalf("%v", allConditions(hr))
	}
	verdict := plan.Plan{Step: plan.Rollback, Reason: plan.ReasonDegraded, Failure: "Deployment apps/web: Available: 0/1"}
	wanted := plan.Desired{Chart: v1beta1.ChartRevision{Version: "1.1.0", Digest: "sha256:2"}, ConfigDigest: "sha256:c"}
	ReleaseJudged(hr, verdict, wanted, now.Add(3*time.Minute))
	if f := hr.Status.LastFailure; f == nil || f.Class != v1beta1.FailureDegraded || f.Phase != v1beta1.PhaseBake || f.Revision != 2 || f.ChartDigest != "sha256:2" {
		t.Errorf("last failure %+v", f)
	}
	event := ReleaseDone(hr, outcome(plan.Rollback, bad, func(o *Outcome) {
		o.Reason, o.Cause, o.To = plan.ReasonDegraded, verdict.Failure, 1
		o.Kept = []v1beta1.KeptObject{{Kind: "PersistentVolumeClaim", Namespace: "apps", Name: "data"}}
		o.History = []plan.Record{revision(3, plan.StatusDeployed), revision(2, plan.StatusSuperseded)}
	}), now.Add(3*time.Minute))
	if event.Reason != v1beta1.RollbackSucceededReason || verified(hr) != "False BakeFailed" || conditions(hr)["Ready"] != "False RollbackSucceeded" {
		t.Errorf("event %+v, %v", event, allConditions(hr))
	}
	for _, part := range []string{"did not stay healthy: Deployment apps/web", "rolled back: ", "PersistentVolumeClaim apps/data"} {
		if !strings.Contains(Message(hr), part) {
			t.Errorf("message %q lacks %q", Message(hr), part)
		}
	}
	if diff := cmp.Diff([]v1beta1.AutomaticRollback{{At: metav1.NewTime(now.Add(3 * time.Minute)), From: 2, To: 1, Reason: plan.ReasonDegraded}}, hr.Status.Rollbacks); diff != "" {
		t.Errorf("rollbacks (-want +got):\n%s", diff)
	}
	if hr.Status.Bake != nil || hr.Status.LastVerified.Revision != 1 {
		t.Errorf("bake %+v, verified %+v", hr.Status.Bake, hr.Status.LastVerified)
	}

	// Git is reverted: what runs since the rollback is what was verified before.
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target}, []plan.Record{revision(3, plan.StatusDeployed)}, now.Add(4*time.Minute))
	if verified(hr) != "True Verified" || hr.Status.LastFailure != nil {
		t.Errorf("after a revert: %v, failure %+v", allConditions(hr), hr.Status.LastFailure)
	}
}

func TestAVerdictThatIsPutOffIsTold(t *testing.T) {
	t.Parallel()
	hr := helmRelease(bakesFor(time.Minute))
	ReleaseDone(hr, outcome(plan.Install), now)
	put := plan.Plan{Step: plan.None, Target: target, Reason: v1beta1.InconclusiveReason, Baking: true, Failure: "down", Message: "revision 1 did not stay healthy, but 9 of 10 are failing"}
	history := []plan.Record{revision(1, plan.StatusDeployed)}
	ReleaseSettled(hr, put, history, now.Add(50*time.Second))
	if verified(hr) != "False Inconclusive" || conditions(hr)["Ready"] != "True InstallSucceeded" {
		t.Errorf("%v", allConditions(hr))
	}
	if !hr.Status.Bake.Until.Time.Equal(now.Add(110 * time.Second)) {
		t.Errorf("the bake ends at %s: it has to begin anew", hr.Status.Bake.Until)
	}
	held := put
	held.Reason = v1beta1.RollbackHeldReason
	ReleaseSettled(hr, held, history, now.Add(55*time.Second))
	if verified(hr) != "False BakeFailed" || !hr.Status.Bake.Until.Time.Equal(now.Add(110*time.Second)) {
		t.Errorf("%v until %s; the end is not moved at every look", allConditions(hr), hr.Status.Bake.Until)
	}
}

func TestTheClockOfABakeStopsWhileSuspended(t *testing.T) {
	t.Parallel()
	hr := helmRelease(bakesFor(time.Minute))
	ReleaseDone(hr, outcome(plan.Install), now)
	hr.Spec.Suspend = true
	BakeClock(hr, now.Add(20*time.Second))
	BakeClock(hr, now.Add(10*time.Minute))
	hr.Spec.Suspend = false
	BakeClock(hr, now.Add(time.Hour))
	BakeClock(hr, now.Add(2*time.Hour))
	if want := now.Add(time.Hour + 40*time.Second); !hr.Status.Bake.Until.Time.Equal(want) || hr.Status.Bake.SuspendedAt != nil {
		t.Errorf("bake %+v, want until %s", hr.Status.Bake, want)
	}
}

func TestARequestedRollbackIsNoFailure(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Install), now)
	ReleaseDone(hr, outcome(plan.Rollback, func(o *Outcome) {
		o.Reason, o.To = v1beta1.RolledBackReason, 1
		o.History = []plan.Record{revision(3, plan.StatusDeployed), revision(2, plan.StatusSuperseded)}
	}), now)
	if want := "False RolledBackByRequest"; conditions(hr)["Ready"] != want || len(hr.Status.Rollbacks) > 0 || hr.Status.Failures != 0 {
		t.Errorf("%v, rollbacks %v", allConditions(hr), hr.Status.Rollbacks)
	}
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target, Reason: v1beta1.RolledBackReason, Message: "revision 1 was asked for"},
		[]plan.Record{revision(3, plan.StatusDeployed)}, now)
	if conditions(hr)["Stalled"] != "True RolledBackByRequest" || Message(hr) != "revision 1 was asked for" {
		t.Errorf("%v: %s", allConditions(hr), Message(hr))
	}
}

func TestKnownBadIsBoundedAndKeyedByContent(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	for i := range 15 {
		markKnownBad(hr, v1beta1.KnownBad{ChartDigest: "sha256:" + string(rune('a'+i)), ConfigDigest: "c", Reason: "Degraded", Since: metav1.NewTime(now)})
	}
	if len(hr.Status.KnownBad) != maxKnownBad || hr.Status.KnownBad[0].ChartDigest != "sha256:o" {
		t.Fatalf("%d, first %+v", len(hr.Status.KnownBad), hr.Status.KnownBad[0])
	}
	again := hr.Status.KnownBad[3]
	again.Since = metav1.NewTime(now.Add(time.Hour))
	markKnownBad(hr, again)
	if !hr.Status.KnownBad[3].Since.Time.Equal(now) {
		t.Error("an input that is known already is not noted again")
	}
	again.SettingsDigest = "other"
	markKnownBad(hr, again)
	if len(hr.Status.KnownBad) != maxKnownBad || hr.Status.KnownBad[0] != again {
		t.Errorf("%+v", hr.Status.KnownBad)
	}
	ReleaseReset(hr, "token", now)
	if len(hr.Status.KnownBad) != 0 {
		t.Error("a reset has to forget what is known to be bad")
	}
}

func TestATransientFailureIsNotCounted(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Upgrade, failing(Failure{Reason: v1beta1.UpgradeFailedReason, Message: "webhook away", Class: v1beta1.FailureTransient})), now)
	if countersOf(hr) != (counters{1, 0, 0}) || hr.Status.LastFailure.Class != v1beta1.FailureTransient {
		t.Errorf("counters %v, failure %+v", countersOf(hr), hr.Status.LastFailure)
	}
}

func TestOnlyRollbacksThatWorkAreCounted(t *testing.T) {
	t.Parallel()
	hr := upgraded(t)
	ReleaseDone(hr, outcome(plan.Rollback, bad, failing(Failure{Reason: v1beta1.RollbackFailedReason, Message: "quota"})), now)
	if len(hr.Status.Rollbacks) != 0 || hr.Status.LastFailure.Phase != v1beta1.PhaseRollback {
		t.Errorf("rollbacks %+v, failure %+v", hr.Status.Rollbacks, hr.Status.LastFailure)
	}
}
