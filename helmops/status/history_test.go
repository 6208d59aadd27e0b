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

// actions shows the history as the action of each revision.
func actions(hr *v1beta1.HelmRelease) map[int32]string {
	shown := map[int32]string{}
	for _, s := range hr.Status.History {
		shown[s.Version] = s.Action
	}
	return shown
}

func TestHistoryRemembersTheActionsOfRevisions(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Install), now)
	two := []plan.Record{revision(2, plan.StatusDeployed), revision(1, plan.StatusSuperseded)}
	ReleaseDone(hr, outcome(plan.Upgrade, func(o *Outcome) { o.History = two }), now)
	if diff := cmp.Diff(map[int32]string{1: "install", 2: "upgrade"}, actions(hr)); diff != "" {
		t.Errorf("after the upgrade (-want +got):\n%s", diff)
	}
	three := append([]plan.Record{revision(3, plan.StatusDeployed)}, two...)
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}, three, now)
	if diff := cmp.Diff(map[int32]string{1: "install", 2: "upgrade", 3: ""}, actions(hr)); diff != "" {
		t.Errorf("after a revision of another client (-want +got):\n%s", diff)
	}
	other := target
	other.Name = "shop"
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: other, Reason: plan.ReasonInSync}, two, now)
	if diff := cmp.Diff(map[int32]string{1: "", 2: ""}, actions(hr)); diff != "" {
		t.Errorf("another release took over the actions (-want +got):\n%s", diff)
	}
}

func TestAnActionThatWroteNothingIsNotNoted(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Upgrade, failing(Failure{Message: "no"}), func(o *Outcome) { o.Reached = false }), now)
	if diff := cmp.Diff(map[int32]string{1: ""}, actions(hr)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
}

func TestSnapshotShowsTheRecord(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	removed := revision(7, plan.StatusUninstalled)
	removed.AppVersion, removed.Deleted = "9.9", now.Add(time.Minute+time.Millisecond)
	ReleaseDone(hr, outcome(plan.Uninstall, func(o *Outcome) { o.History = []plan.Record{removed} }), now)
	want := []v1beta1.Snapshot{{
		Name: "web", Namespace: "apps", Version: 7, Status: "uninstalled", ChartName: "web", ChartVersion: "1.0.0", ChartDigest: "sha256:1",
		AppVersion: "9.9", ConfigDigest: "sha256:c", Digest: "sha256:uninstalled",
		FirstDeployed: metav1.NewTime(now.Add(-time.Hour)), LastDeployed: metav1.NewTime(now), Deleted: &metav1.Time{Time: now.Add(time.Minute)},
	}}
	if diff := cmp.Diff(want, hr.Status.History); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	var long []plan.Record
	for version := maxSnapshots + 5; version > 0; version-- {
		long = append(long, revision(version, plan.StatusSuperseded))
	}
	ReleaseSettled(hr, plan.Plan{Step: plan.None, Target: target}, long, now)
	if len(hr.Status.History) != maxSnapshots || hr.Status.History[0].Version != maxSnapshots+5 {
		t.Errorf("%d snapshots from revision %d, want the newest %d", len(hr.Status.History), hr.Status.History[0].Version, maxSnapshots)
	}
}

func TestReleaseSettled(t *testing.T) {
	deployed := []plan.Record{revision(3, plan.StatusDeployed)}
	tests := []struct {
		name       string
		plan       plan.Plan
		history    []plan.Record
		conditions map[string]string
		message    string
		failures   int64
	}{
		{name: "a release that is as wanted is ready", plan: plan.Plan{Step: plan.None, Reason: plan.ReasonInSync}, history: deployed,
			conditions: map[string]string{"Ready": "True UpgradeSucceeded", "Released": "True UpgradeSucceeded"},
			message:    "apps/web revision 3 runs web 1.0.0"},
		{name: "a first revision counts as an install", plan: plan.Plan{Step: plan.None, Reason: plan.ReasonInSync},
			history:    []plan.Record{revision(1, plan.StatusDeployed)},
			conditions: map[string]string{"Ready": "True InstallSucceeded", "Released": "True InstallSucceeded"},
			message:    "apps/web revision 1 runs web 1.0.0"},
		{name: "a withdrawn version is told", plan: plan.Plan{Step: plan.None, Reason: plan.ReasonWithdrawn, Message: "1.0.0 is gone"}, history: deployed,
			conditions: map[string]string{"Ready": "True UpgradeSucceeded", "Released": "True UpgradeSucceeded"},
			message:    "apps/web revision 3 runs web 1.0.0; 1.0.0 is gone"},
		{name: "a note is added", plan: plan.Plan{Step: plan.None, Reason: plan.ReasonInSync,
			Note: "the source is away"},
			history:    deployed,
			conditions: map[string]string{"Ready": "True UpgradeSucceeded", "Released": "True UpgradeSucceeded"},
			message:    "apps/web revision 3 runs web 1.0.0; the source is away"},
		{name: "a wait for another Helm client is told", failures: 2, history: deployed,
			plan:       plan.Plan{Step: plan.Wait, Reason: v1beta1.PendingReleaseReason, Message: "helm is at work"},
			conditions: map[string]string{"Ready": "False PendingRelease", "Reconciling": "True ProgressingWithRetry"}, message: "helm is at work"},
		{name: "a wait after a failure leaves what the failure said", failures: 2, history: deployed,
			plan:       plan.Plan{Step: plan.Wait, Reason: plan.ReasonBackoff, Message: "later"},
			conditions: map[string]string{"Ready": "False UpgradeFailed", "Reconciling": "True ProgressingWithRetry"}, message: "no luck"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := helmRelease(tried, func(hr *v1beta1.HelmRelease) { Retrying(hr, "UpgradeFailed", "no luck", now) })
			tt.plan.Target = target
			ReleaseSettled(hr, tt.plan, tt.history, now)
			if diff := cmp.Diff(tt.conditions, conditions(hr)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if Message(hr) != tt.message || hr.Status.Failures != tt.failures || hr.Status.ObservedGeneration != 4 {
				t.Errorf("message %q, %d failures, generation %d", Message(hr), hr.Status.Failures, hr.Status.ObservedGeneration)
			}
		})
	}
}

// Whatever ticks in a status makes the object change with every look.
func TestSettlingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	settled := plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}
	ReleaseSettled(hr, settled, []plan.Record{revision(2, plan.StatusDeployed), revision(1, plan.StatusSuperseded)}, now)
	before := hr.DeepCopy()
	ReleaseSettled(hr, settled, []plan.Record{revision(2, plan.StatusDeployed), revision(1, plan.StatusSuperseded)}, now.Add(time.Hour))
	if diff := cmp.Diff(before, hr); diff != "" {
		t.Errorf("the status changed (-before +after):\n%s", diff)
	}
}

func TestReleaseBlocked(t *testing.T) {
	t.Parallel()
	failure := Failure{Reason: v1beta1.ValuesErrorReason, Message: "Secret apps/db does not exist"}
	hr := helmRelease(func(hr *v1beta1.HelmRelease) { hr.Status.History = []v1beta1.Snapshot{{Version: 1}} })
	ReleaseBlocked(hr, failure, now)
	if diff := cmp.Diff(map[string]string{"Ready": "False ValuesError", "Reconciling": "True ProgressingWithRetry"}, conditions(hr)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	failure.Final = true
	ReleaseBlocked(hr, failure, now)
	if diff := cmp.Diff(map[string]string{"Ready": "False ValuesError", "Stalled": "True ValuesError"}, conditions(hr)); diff != "" {
		t.Errorf("final conditions (-want +got):\n%s", diff)
	}
	if hr.Status.ObservedGeneration != 4 || len(hr.Status.History) != 1 {
		t.Errorf("generation %d, history %v, want what runs to stay", hr.Status.ObservedGeneration, hr.Status.History)
	}
}

func TestReleaseProgressNamesTheVerb(t *testing.T) {
	t.Parallel()
	verbs := map[plan.Step]string{plan.Install: "installing", plan.Upgrade: "upgrading", plan.Uninstall: "uninstalling", plan.Unlock: "unlocking"}
	for step, verb := range verbs {
		hr := helmRelease()
		ReleaseProgress(hr, plan.Plan{Step: step, Target: target, Message: "values changed"}, now)
		if want := verb + " apps/web: values changed"; Message(hr) != want || conditions(hr)["Ready"] != "Unknown Progressing" {
			t.Errorf("%s: %q, want %q", step, Message(hr), want)
		}
	}
}

// What a record lacks is said as long as the revision is the newest one, in the same words, so that nothing is
// written twice.
func TestADegradedRecordIsTold(t *testing.T) {
	t.Parallel()
	const want = "apps/web revision 1 runs web 1.0.0; its Helm record would be too large, so it lacks the chart's files and templates"
	hr, whole := helmRelease(), revision(1, plan.StatusDeployed)
	reduced := whole
	reduced.Degraded = "files,templates"
	event := ReleaseDone(hr, outcome(plan.Install, func(o *Outcome) { o.History = []plan.Record{reduced} }), now)
	if event.Message != want || Message(hr) != want {
		t.Errorf("the event says %q and Ready says %q, want %q", event.Message, Message(hr), want)
	}
	before := hr.DeepCopy()
	settled := plan.Plan{Step: plan.None, Target: target, Reason: plan.ReasonInSync}
	ReleaseSettled(hr, settled, []plan.Record{reduced}, now.Add(time.Hour))
	if diff := cmp.Diff(before.Status.Conditions, hr.Status.Conditions); diff != "" {
		t.Errorf("looking again changes the conditions (-want +got):\n%s", diff)
	}
	ReleaseSettled(hr, settled, []plan.Record{whole}, now)
	if strings.Contains(Message(hr), "lacks") {
		t.Errorf("a whole record is told as %q", Message(hr))
	}
}
