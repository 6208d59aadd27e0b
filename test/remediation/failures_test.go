package remediation

import (
	"fmt"
	"sync"
	"testing"
)

// Values that make a rollout and a test fail.
const (
	unready    = "  values: {faults: {unready: true}}"
	failedTest = "  values: {faults: {test: true}}"
)

// failed is a release whose newest revision did not become ready.
func failed(history ...string) state {
	return state{Released: "False", Ready: "False", History: history}
}

// An install that fails is left as it is, and tried again after a while.
func TestInstallFails(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  install: {timeout: 3s}\n"+unready))
	want := failed("1 failed")
	want.InstallFailures = 1
	await(t, ns, "web", want)
}

// untested is a release that runs and whose tests failed.
func untested(history ...string) state {
	return state{Released: "True", TestSuccess: "False", Ready: "False", History: history}
}

func TestInstallTestFails(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  test: {enable: true}\n"+failedTest))
	want := untested("1 deployed")
	want.InstallFailures = 1
	await(t, ns, "web", want)
}

func TestInstallTestFailureIgnored(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  test: {enable: true, ignoreFailures: true}\n"+failedTest))
	want := untested("1 deployed")
	want.Ready = "True"
	await(t, ns, "web", want)
}

// A failed install that is to be undone is uninstalled; the record that is kept can be removed by the helm command.
func TestInstallFailsAndIsRemediated(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", `  install: {timeout: 3s, remediation: {remediateLastFailure: true}}
  uninstall: {keepHistory: true}
`+unready))
	want := failed("1 uninstalled")
	want.Remediated, want.Stalled, want.InstallFailures = "True", true, 1
	await(t, ns, "web", want)
	mustRun(t, "helm", "-n", ns, "uninstall", "web")
	if left := history(t, ns, "web"); len(left) != 0 {
		t.Errorf("the history is still %v", left)
	}
}

func TestInstallFailsAndIsRetried(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  install: {timeout: 3s, remediation: {retries: 1}}\n"+unready))
	want := failed("1 failed")
	want.Stalled, want.InstallFailures = true, 2
	await(t, ns, "web", want)
}

// others makes sure that most releases do well: when many fail at the same time, as they do in this suite, none of them
// is rolled back where nothing is asked for.
var others sync.Once

func amongOthers(t *testing.T) {
	t.Helper()
	others.Do(func() {
		const ns, many = "others", 60
		apply(t, ns, "apiVersion: v1\nkind: Namespace\nmetadata: {name: others}")
		for i := range many {
			apply(t, ns, release(fmt.Sprintf("other%d", i), ""))
		}
		await(t, ns, fmt.Sprintf("other%d", many-1), good("1 deployed"))
	})
}

// upgrade installs a good release and then changes it to fail.
func upgrade(t *testing.T, ns, fields, fault string) {
	t.Helper()
	amongOthers(t)
	apply(t, ns, release("web", fields))
	want := good("1 deployed")
	if fault == failedTest {
		want.TestSuccess = "True"
	}
	await(t, ns, "web", want)
	apply(t, ns, release("web", fields+fault))
}

// givenUp is a release after so many failed upgrades, which are not tried again.
func givenUp(s state, failures int64) state {
	s.Stalled, s.UpgradeFailures = true, failures
	return s
}

// undone is a release whose failed upgrade, the last of so many, was undone.
func undone(s state, failures int64) state {
	s.Remediated = "True"
	return givenUp(s, failures)
}

// The timeout of these upgrades is theirs alone: what comes before and after them has to succeed.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields, fault string
		want          state
	}{
		// Where nothing else is asked for, a failed upgrade is rolled back once.
		"default": {"  upgrade: {timeout: 3s}\n", unready,
			undone(failed("1 superseded", "2 failed", "3 deployed, Rollback to 1"), 1)},
		// It is left where remediation is configured and excludes the last failure.
		"left": {"  upgrade: {timeout: 3s, remediation: {remediateLastFailure: false}}\n", unready,
			givenUp(failed("1 deployed", "2 failed"), 1)},
		"remediated": {"  upgrade: {timeout: 3s, remediation: {remediateLastFailure: true}}\n", unready,
			undone(failed("1 superseded", "2 failed", "3 deployed, Rollback to 1"), 1)},
		"retried": {"  upgrade: {timeout: 3s, remediation: {retries: 1}}\n", unready,
			undone(failed("1 superseded", "2 failed", "3 superseded, Rollback to 1", "4 failed", "5 deployed, Rollback to 3"),
				2)},
		// Tests that fail are a failed upgrade.
		"test": {"  test: {enable: true}\n", failedTest,
			undone(untested("1 superseded", "2 superseded", "3 deployed, Rollback to 1"), 1)},
		"test-left": {"  test: {enable: true}\n  upgrade: {remediation: {remediateLastFailure: false}}\n", failedTest,
			givenUp(untested("1 superseded", "2 deployed"), 1)},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespace(t)
			upgrade(t, ns, test.fields, test.fault)
			await(t, ns, "web", test.want)
		})
	}
}

// A failed upgrade that is uninstalled is installed again, which fails too and is left.
func TestUpgradeFailsAndIsUninstalled(t *testing.T) {
	ns := namespace(t)
	fields := "  upgrade: {timeout: 3s, remediation: {remediateLastFailure: true, strategy: uninstall}}\n"
	// the first install has more time
	upgrade(t, ns, fields, "  install: {timeout: 3s, remediation: {retries: 0}}\n"+unready)
	want := givenUp(failed("1 failed"), 1)
	want.InstallFailures = 1
	await(t, ns, "web", want)
}

// New input starts again after everything else was given up.
func TestAFixEndsAStall(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  upgrade: {timeout: 3s}\n", unready)
	await(t, ns, "web", undone(failed("1 superseded", "2 failed", "3 deployed, Rollback to 1"), 1))
	apply(t, ns, release("web", "  values: {message: fixed}"))
	await(t, ns, "web", good("1 superseded", "2 failed", "3 superseded, Rollback to 1", "4 deployed"))
}
