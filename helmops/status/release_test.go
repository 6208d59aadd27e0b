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

var (
	target = plan.Target{Name: "web", Namespace: "apps", StorageNamespace: "store"}
	chart1 = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
)

func helmRelease(change ...func(*v1beta1.HelmRelease)) *v1beta1.HelmRelease {
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 4},
		Spec:       v1beta1.HelmReleaseSpec{Bake: &metav1.Duration{}},
	}
	for _, c := range change {
		c(hr)
	}
	return hr
}

// tried is a release whose last attempt was with the input of outcome, and that has failed before.
func tried(hr *v1beta1.HelmRelease) {
	hr.Status.LastAttemptedGeneration, hr.Status.LastAttemptedRevisionDigest = 4, chart1.Digest
	hr.Status.LastAttemptedConfigDigest = "sha256:c"
	hr.Status.Failures, hr.Status.InstallFailures, hr.Status.UpgradeFailures = 2, 1, 1
}

func revision(version int, status string) plan.Record {
	return plan.Record{
		Version: version, Status: status, Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: chart1.Digest}, ConfigDigest: "sha256:c",
		Digest: "sha256:" + status, FirstDeployed: now.Add(-time.Hour + time.Millisecond), LastDeployed: now.Add(time.Millisecond),
	}
}

func outcome(step plan.Step, change ...func(*Outcome)) Outcome {
	o := Outcome{
		Step: step, Target: target, Generation: 4, Chart: chart1, ConfigDigest: "sha256:c", Reached: true,
		Next:      func(*v1beta1.HelmRelease) string { return "the controller retries later" },
		History:   []plan.Record{revision(1, plan.StatusDeployed)},
		Inventory: []v1beta1.ResourceRef{{ID: "apps_web_apps_Deployment", Version: "v1"}},
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func failing(f Failure) func(*Outcome) { return func(o *Outcome) { o.Failure = &f } }

func outOfReach(o *Outcome) { o.Reached, o.History, o.Inventory = false, nil, nil }

// counters in the order Failures, InstallFailures, UpgradeFailures.
type counters [3]int64

func countersOf(hr *v1beta1.HelmRelease) counters {
	return counters{hr.Status.Failures, hr.Status.InstallFailures, hr.Status.UpgradeFailures}
}

func TestReleaseDoneAfterInstallAndUpgrade(t *testing.T) {
	broken := failing(Failure{Reason: v1beta1.UpgradeFailedReason, Message: "no luck"})
	final := failing(Failure{Reason: v1beta1.SchemaFailedReason, Message: "replicas: want integer", Final: true})
	retrying := map[string]string{"Ready": "False UpgradeFailed", "Released": "False UpgradeFailed", "Reconciling": "True ProgressingWithRetry"}
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		outcome Outcome
		// conditions and counters afterwards; message is a part of that of Ready, which is the event's too.
		conditions map[string]string
		counters   counters
		message    string
		warning    bool
	}{
		{name: "an install that succeeds is ready", release: helmRelease(), outcome: outcome(plan.Install),
			conditions: map[string]string{"Ready": "True InstallSucceeded", "Released": "True InstallSucceeded"},
			message:    "apps/web revision 1 runs web 1.0.0"},
		{name: "an upgrade that succeeds starts the counters anew", release: helmRelease(tried), outcome: outcome(plan.Upgrade),
			conditions: map[string]string{"Ready": "True UpgradeSucceeded", "Released": "True UpgradeSucceeded"},
			message:    "apps/web revision 1 runs web 1.0.0"},
		{name: "an upgrade that fails is tried again", release: helmRelease(), outcome: outcome(plan.Upgrade, broken),
			conditions: retrying, counters: counters{1, 0, 1}, warning: true,
			message: "upgrade of apps/web to web 1.0.0 failed: no luck; the controller retries later"},
		{name: "an install that fails counts as one", release: helmRelease(), outcome: outcome(plan.Install, broken),
			conditions: retrying, counters: counters{1, 1, 0}, warning: true, message: "install of apps/web"},
		{name: "the same input that fails again counts on", release: helmRelease(tried), outcome: outcome(plan.Upgrade, broken),
			conditions: retrying, counters: counters{3, 1, 2}, warning: true, message: "no luck; the controller retries later"},
		{name: "another generation counts from the start", release: helmRelease(tried),
			outcome:    outcome(plan.Upgrade, broken, func(o *Outcome) { o.Generation = 5 }),
			conditions: retrying, counters: counters{1, 0, 1}, warning: true, message: "no luck; the controller retries later"},
		{name: "another chart counts from the start", release: helmRelease(tried),
			outcome:    outcome(plan.Upgrade, broken, func(o *Outcome) { o.Chart.Digest = "sha256:2" }),
			conditions: retrying, counters: counters{1, 0, 1}, warning: true, message: "no luck; the controller retries later"},
		{name: "other values count from the start", release: helmRelease(tried),
			outcome:    outcome(plan.Upgrade, broken, func(o *Outcome) { o.ConfigDigest = "sha256:d" }),
			conditions: retrying, counters: counters{1, 0, 1}, warning: true, message: "no luck; the controller retries later"},
		{name: "a failure before the cluster says so, and says nothing of the release", release: helmRelease(),
			outcome:    outcome(plan.Upgrade, broken, outOfReach),
			conditions: map[string]string{"Ready": "False UpgradeFailed", "Reconciling": "True ProgressingWithRetry"},
			counters:   counters{1, 0, 0}, warning: true, message: "no luck; nothing in the cluster was changed; the controller retries later"},
		{name: "a failure for good stalls and says what helps", release: helmRelease(), outcome: outcome(plan.Install, final, outOfReach),
			conditions: map[string]string{"Ready": "False ValuesSchemaFailed", "Stalled": "True ValuesSchemaFailed"},
			counters:   counters{1, 0, 0}, warning: true, message: "it is tried again when the chart, the values or the spec change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			hr := tt.release
			event := ReleaseDone(hr, tt.outcome, now)
			if diff := cmp.Diff(tt.conditions, conditions(hr)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if got := countersOf(hr); got != tt.counters {
				t.Errorf("counters %v, want %v", got, tt.counters)
			}
			if !strings.Contains(Message(hr), tt.message) || event.Message != Message(hr) || event.Warning != tt.warning {
				t.Errorf("message %q lacks %q, or differs from the event %+v", Message(hr), tt.message, event)
			}
			checkAttempt(t, hr, tt.outcome)
		})
	}
}

func checkAttempt(t *testing.T, hr *v1beta1.HelmRelease, o Outcome) {
	t.Helper()
	s := hr.Status
	got := []any{s.LastAttemptedGeneration, s.LastAttemptedRevision, s.LastAttemptedRevisionDigest, s.LastAttemptedConfigDigest,
		s.LastAttemptedReleaseAction, s.LastAttemptedAt.Time, s.ObservedGeneration, s.StorageNamespace}
	want := []any{o.Generation, o.Chart.Version, o.Chart.Digest, o.ConfigDigest, string(o.Step), now, o.Generation, "store"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attempt (-want +got):\n%s", diff)
	}
	for _, c := range s.Conditions {
		if c.ObservedGeneration != o.Generation {
			t.Errorf("%s is of generation %d, want that of the action, %d", c.Type, c.ObservedGeneration, o.Generation)
		}
	}
}

// An action of an older spec ends while the object has a newer one: it must not look ready at the newer one.
func TestReleaseDoneSpeaksOfTheGenerationItWasMadeWith(t *testing.T) {
	t.Parallel()
	hr := helmRelease(func(hr *v1beta1.HelmRelease) { hr.Generation = 5 })
	ReleaseDone(hr, outcome(plan.Upgrade), now)
	if IsReady(hr) || hr.Status.ObservedGeneration != 4 {
		t.Errorf("ready %v at generation %d, want not ready, 4 observed", IsReady(hr), hr.Status.ObservedGeneration)
	}
}

func TestReleaseDoneAfterUninstall(t *testing.T) {
	t.Parallel()
	gone := outcome(plan.Uninstall, func(o *Outcome) { o.History, o.Inventory = nil, nil })
	hr := helmRelease(tried)
	ReleaseDone(hr, outcome(plan.Upgrade), now)

	stuck := outcome(plan.Uninstall, failing(Failure{Reason: v1beta1.UninstallFailedReason, Message: "finalizers are left"}))
	for attempt := int64(1); attempt <= 2; attempt++ {
		event := ReleaseDone(hr, stuck, now)
		if !event.Warning || hr.Status.Failures != attempt || !strings.Contains(event.Message, plan.RetryDelay(attempt).String()) {
			t.Errorf("attempt %d: %d failures, event %+v", attempt, hr.Status.Failures, event)
		}
	}
	if got := conditions(hr)["Ready"]; got != "False UninstallFailed" {
		t.Errorf("Ready is %q", got)
	}

	event := ReleaseDone(hr, gone, now)
	if diff := cmp.Diff(Event{Reason: "UninstallSucceeded", Message: "uninstalled apps/web", Action: "Uninstall"}, event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if len(hr.Status.History) != 0 || hr.Status.Inventory != nil || hr.Status.Failures != 0 || hr.Status.LastAttemptedAt != nil {
		t.Errorf("something of the release is left: %+v", hr.Status)
	}
}

// The failures of an upgrade do not count as failures to uninstall.
func TestUninstallOfAnotherGenerationCountsFromTheStart(t *testing.T) {
	t.Parallel()
	hr := helmRelease(tried)
	failed := failing(Failure{Reason: v1beta1.UninstallFailedReason, Message: "no"})
	ReleaseDone(hr, outcome(plan.Uninstall, failed, func(o *Outcome) { o.Generation = 5 }), now)
	if hr.Status.Failures != 1 || hr.Status.LastAttemptedGeneration != 5 || !hr.Status.LastAttemptedAt.Time.Equal(now) {
		t.Errorf("%d failures of generation %d at %s, want 1 of 5", hr.Status.Failures, hr.Status.LastAttemptedGeneration, hr.Status.LastAttemptedAt)
	}
}

func TestReleaseDoneAfterUnlock(t *testing.T) {
	t.Parallel()
	hr := helmRelease(func(hr *v1beta1.HelmRelease) { Ready(hr, "UpgradeSucceeded", "fine", now) })
	event := ReleaseDone(hr, outcome(plan.Unlock, func(o *Outcome) { o.History[0].Status = plan.StatusFailed }), now)
	if event.Warning || event.Reason != v1beta1.PendingReleaseReason || IsReady(hr) {
		t.Errorf("event %+v, ready %v, want good news about a release that is not ready yet", event, IsReady(hr))
	}
	if hr.Status.Latest().Status != plan.StatusFailed || hr.Status.Latest().Action != "" {
		t.Errorf("newest revision %+v, want failed and without an action of ours", hr.Status.Latest())
	}
	event = ReleaseDone(hr, outcome(plan.Unlock, failing(Failure{Message: "somebody was faster"})), now)
	if !event.Warning || conditions(hr)["Ready"] != "False PendingRelease" || !strings.Contains(Message(hr), "somebody was faster") {
		t.Errorf("event %+v, conditions %v", event, conditions(hr))
	}
}

func TestReleaseDoneKeepsWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	hr := helmRelease()
	ReleaseDone(hr, outcome(plan.Install), now)
	had := hr.DeepCopy().Status
	ReleaseDone(hr, outcome(plan.Upgrade, outOfReach, failing(Failure{Reason: "StorageError", Message: "no answer"}),
		func(o *Outcome) { o.HistoryUnknown = true }), now)
	if diff := cmp.Diff(had.History, hr.Status.History); diff != "" {
		t.Errorf("history (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(had.Inventory, hr.Status.Inventory); diff != "" {
		t.Errorf("inventory (-before +after):\n%s", diff)
	}
}
