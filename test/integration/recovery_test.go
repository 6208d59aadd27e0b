package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// others are releases that do well, so that the few that tests break on purpose are no outage of the cluster: then
// nothing would be rolled back.
var others sync.Once

func amongOthers(t *testing.T) {
	t.Helper()
	others.Do(func() {
		const ns, many = "others", 60
		apply(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
		registrySample(t, ns, "1.0.0")
		var last *v1beta1.HelmRelease
		for i := range many {
			last = release(ns, fmt.Sprintf("other%d", i), "sample", "*", "charts", "")
			apply(t, last)
		}
		awaitReady(t, last)
	})
}

// served is a chart with one pod, in a repository of the test's own.
func served(
	t *testing.T, change ...func(*v1beta1.HelmRelease),
) (ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) {
	t.Helper()
	amongOthers(t)
	ns = namespace(t)
	charts = chartRepository(t, servers.ChartOptions{}, "sample")
	addChart(t, charts, "1.0.0", map[string]string{"templates/deployment.yaml": podsTemplate})
	hr = release(ns, "web", "sample", "*", "charts", `{"message":"runs","token":""}`)
	for _, c := range change {
		c(hr)
	}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	return ns, charts, hr
}

// publish adds a version of the chart with one pod.
func publish(t *testing.T, charts *servers.Charts, version string) {
	t.Helper()
	addChart(t, charts, version, map[string]string{"templates/deployment.yaml": podsTemplate})
}

func bakes(length time.Duration) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Bake = &metav1.Duration{Duration: length} }
}

// annotatePods sets what the simulated pods of a release do from now on.
func annotatePods(t *testing.T, ns, annotation, value string) {
	t.Helper()
	pods := &corev1.PodList{}
	if err := world.cluster.Client.List(t.Context(), pods, client.InNamespace(ns),
		client.MatchingLabels{"app": "web"}); err != nil {
		t.Fatal(err)
	}
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil {
			editAs(t, "kubectl-annotate", &pods.Items[i], fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, annotation, value))
		}
	}
}

func awaitVerified(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	until(t, "the newest revision is verified", func() bool {
		verified := get(t, hr).Status.LastVerified
		return verified != nil && verified.Revision == hr.Status.Latest().Version &&
			condition(t, hr, v1beta1.VerifiedCondition).Status == metav1.ConditionTrue
	})
}

// revisionOf is the newest revision and the version of the chart that it runs.
func revisionOf(t *testing.T, hr *v1beta1.HelmRelease) string {
	t.Helper()
	latest := get(t, hr).Status.Latest()
	return fmt.Sprintf("%d %s", latest.Version, latest.ChartVersion)
}

func TestARevisionThatDoesNotStayHealthyIsRolledBack(t *testing.T) {
	t.Parallel()
	ns, charts, hr := served(t, bakes(4*time.Second))
	awaitVerified(t, hr)
	if verified := get(t, hr).Status.LastVerified; verified.ChartDigest == "" || verified.ConfigDigest == "" {
		t.Errorf("what is verified is not named: %+v", verified)
	}
	publish(t, charts, "1.1.0")
	awaitVersion(t, hr, "1.1.0")
	annotatePods(t, ns, simReady, "false")
	until(t, "the release is rolled back", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
	says(t, awaitNotReady(t, hr, v1beta1.RollbackSucceededReason).Message, "sample 1.1.0 did not stay healthy",
		"Deployment "+ns+"/web", "revision 3 runs sample 1.0.0")
	found := get(t, hr).Status
	if len(found.KnownBad) != 1 || found.KnownBad[0].ChartVersion != "1.1.0" || len(found.Rollbacks) != 1 ||
		found.LastFailure == nil ||
		found.LastFailure.Class != v1beta1.FailureDegraded || found.LastVerified.Revision != 1 {
		t.Errorf("known bad %+v, rollbacks %+v, failure %+v, verified %+v", found.KnownBad, found.Rollbacks,
			found.LastFailure, found.LastVerified)
	}
	if verified := condition(t, hr, v1beta1.VerifiedCondition); verified.Status != metav1.ConditionFalse ||
		verified.Reason != v1beta1.BakeFailedReason {
		t.Errorf("Verified is %+v", verified)
	}

	// An unrelated change of the spec does not set the bad input free, and the message says what does.
	hr.Spec.MaxHistory = new(int32)
	apply(t, hr)
	until(t, "the known bad input is reported", func() bool {
		stalled := condition(t, hr, v1beta1.StalledCondition)
		return stalled.Reason == v1beta1.KnownBadReason && stalled.ObservedGeneration == hr.Generation
	})
	says(t, condition(t, hr, v1beta1.StalledCondition).Message, "sample-1.1.0", "the controller retries it when", "or after a reset")
	if now := revisionOf(t, hr); now != "3 1.0.0" {
		t.Errorf("the known bad input was tried again: %s", now)
	}

	publish(t, charts, "1.1.1")
	awaitVersion(t, hr, "1.1.1")
	awaitVerified(t, hr)
	if found := get(t, hr).Status; found.LastFailure != nil {
		t.Errorf("the failure is still reported: %+v", found.LastFailure)
	}
}

func TestHealthIsFollowedAllTheTime(t *testing.T) {
	t.Parallel()
	ns, _, hr := served(t, bakes(0))
	healthy := func(status metav1.ConditionStatus) func() bool {
		return func() bool { return condition(t, hr, v1beta1.HealthyCondition).Status == status }
	}
	until(t, "the release is healthy", healthy(metav1.ConditionTrue))
	annotatePods(t, ns, simWaiting, "CrashLoopBackOff")
	until(t, "the crash is reported", func() bool {
		return healthy(metav1.ConditionFalse)() &&
			strings.Contains(condition(t, hr, v1beta1.HealthyCondition).Message, "CrashLoopBackOff")
	})
	if bad := get(t, hr).Status.Unhealthy; len(bad) != 1 || bad[0].Kind != "Deployment" ||
		!strings.Contains(bad[0].Message, "CrashLoopBackOff") {
		t.Errorf("unhealthy %+v", bad)
	}
	if ready := condition(t, hr, v1beta1.ReadyCondition); ready.Status != metav1.ConditionTrue ||
		revisionOf(t, hr) != "1 1.0.0" {
		t.Errorf("a verified revision was touched: Ready is %+v, revision %s", ready, revisionOf(t, hr))
	}
	annotatePods(t, ns, simWaiting, "")
	until(t, "the release is healthy again", func() bool {
		return healthy(metav1.ConditionTrue)() && len(get(t, hr).Status.Unhealthy) == 0
	})
}

func TestTheRollbackNeedsNoChart(t *testing.T) {
	t.Parallel()
	_, charts, hr := served(t, bakes(0))
	apply(t, withValues(hr, `{"message":"crashes","token":"","waiting":"CrashLoopBackOff"}`))
	charts.Break([]byte("entries: {}\n"))
	until(t, "the release is rolled back", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
	says(t, awaitNotReady(t, hr, v1beta1.RollbackSucceededReason).Message, "CrashLoopBackOff")
	charts.Break(nil)
	apply(t, withValues(hr, `{"message":"fixed","token":""}`))
	awaitReady(t, hr)
	if got := revisionOf(t, hr); got != "4 1.0.0" {
		t.Errorf("the fix is revision %s", got)
	}
}

func TestTwoFailingRevisionsInARow(t *testing.T) {
	t.Parallel()
	_, charts, hr := served(t, bakes(3*time.Second))
	awaitVerified(t, hr)
	for i, version := range []string{"1.1.0", "1.2.0"} {
		addChart(t, charts, version, map[string]string{
			"templates/deployment.yaml": strings.ReplaceAll(podsTemplate, "        message:",
				"        sim.fairlead.dev/waiting: CrashLoopBackOff\n        message:"),
		})
		want := fmt.Sprintf("%d 1.0.0", 3+2*i)
		until(t, "the release is back at revision "+want, func() bool { return revisionOf(t, hr) == want })
		until(t, version+" is known to be bad", func() bool {
			known := get(t, hr).Status.KnownBad
			return len(known) == i+1 && known[0].ChartVersion == version
		})
	}
	publish(t, charts, "1.3.0")
	awaitVersion(t, hr, "1.3.0")
	awaitVerified(t, hr)
	if rollbacks := get(t, hr).Status.Rollbacks; len(rollbacks) != 2 || rollbacks[0].From != 4 || rollbacks[0].To != 3 {
		t.Errorf("rollbacks %+v", rollbacks)
	}
}

func TestABakeGoesOnAfterARestart(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	fragileCharts(t, ns)
	hr := fragileRelease(ns, "web", `{"message":"runs","token":""}`)
	hr.Spec.Bake = &metav1.Duration{Duration: 4 * time.Second}
	v.install(t, hr)
	awaitVerified(t, hr)
	apply(t, withValues(hr, `{"message":"upgraded","token":""}`))
	awaitReady(t, hr)
	v.kill()
	annotatePods(t, ns, simReady, "false")
	v.start(t)
	until(t, "the release is rolled back by the next controller", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
	if known := get(t, hr).Status.KnownBad; len(known) != 1 {
		t.Errorf("known bad %+v", known)
	}
}

func TestASuspendedReleaseIsOnlyWatched(t *testing.T) {
	t.Parallel()
	ns, _, hr := served(t, bakes(3*time.Second), func(hr *v1beta1.HelmRelease) {
		hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	})
	awaitVerified(t, hr)
	apply(t, withValues(hr, `{"message":"upgraded","token":""}`))
	awaitReady(t, hr)
	hr.Spec.Suspend = true
	apply(t, hr)
	until(t, "the bake is stopped", func() bool {
		bake := get(t, hr).Status.Bake
		return bake != nil && bake.SuspendedAt != nil
	})
	annotatePods(t, ns, simReady, "false")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	editAs(t, "kubectl-edit", config, `{"data":{"message":"by hand"}}`)
	until(t, "the bad health is reported", func() bool {
		return condition(t, hr, v1beta1.HealthyCondition).Status == metav1.ConditionFalse
	})
	if message := configMap(t, ns, "web")["message"]; message != "by hand" || revisionOf(t, hr) != "2 1.0.0" {
		t.Errorf("a suspended release was changed: %s, revision %s", message, revisionOf(t, hr))
	}
	hr.Spec.Suspend = false
	apply(t, hr)
	until(t, "the drift is corrected", func() bool { return configMap(t, ns, "web")["message"] != "by hand" })
	until(t, "the bad revision is rolled back", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
}

func TestAUserRollsBackAndGitGoesOn(t *testing.T) {
	t.Parallel()
	ns, charts, hr := served(t, bakes(0))
	publish(t, charts, "1.1.0")
	awaitVersion(t, hr, "1.1.0")
	until(t, "the input is named", func() bool { return get(t, hr).Status.InputDigest != "" })
	_, stderr, code := command(t, "fairlead", "rollback", "release", "web", "1", "-n", ns, "--reason", "orders are lost",
		"--wait")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	says(t, awaitNotReady(t, hr, v1beta1.RolledBackReason).Message, "orders are lost")
	if got := revisionOf(t, hr); got != "3 1.0.0" {
		t.Errorf("revision %s", got)
	}
	if get(t, hr); len(hr.Status.KnownBad) > 0 || len(hr.Status.Rollbacks) > 0 {
		t.Errorf("a rollback by request is held against the input: %+v, %+v", hr.Status.KnownBad, hr.Status.Rollbacks)
	}
	publish(t, charts, "1.2.0")
	awaitVersion(t, hr, "1.2.0")
}

func TestAnAutoRollbackThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	_, charts, hr := served(t, bakes(0), func(hr *v1beta1.HelmRelease) {
		hr.Spec.AutoRollback = &v1beta1.AutoRollback{Mode: v1beta1.Disabled}
	})
	addChart(t, charts, "1.1.0", map[string]string{
		"templates/deployment.yaml": strings.ReplaceAll(podsTemplate, "        message:",
			"        sim.fairlead.dev/waiting: CrashLoopBackOff\n        message:"),
	})
	until(t, "the failed revision stays", func() bool {
		latest := get(t, hr).Status.Latest()
		return latest.ChartVersion == "1.1.0" && latest.Status == "failed"
	})
	publish(t, charts, "1.1.1")
	awaitVersion(t, hr, "1.1.1")
	if got := revisionOf(t, hr); got != "3 1.1.1" {
		t.Errorf("revision %s", got)
	}
}
