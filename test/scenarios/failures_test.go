package scenarios

import "testing"

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
	apply(t, ns, release("web", "  timeout: 3s\n"+unready))
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
	apply(t, ns, release("web", `  timeout: 3s
  install: {remediation: {remediateLastFailure: true}}
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
	apply(t, ns, release("web", "  timeout: 3s\n  install: {remediation: {retries: 1}}\n"+unready))
	want := failed("1 failed")
	want.Stalled, want.InstallFailures = true, 2
	await(t, ns, "web", want)
}

// upgrade installs a good release and then changes it to fail.
func upgrade(t *testing.T, ns, fields, fault string) {
	t.Helper()
	apply(t, ns, release("web", fields))
	want := good("1 deployed")
	if fault == failedTest {
		want.TestSuccess = "True"
	}
	await(t, ns, "web", want)
	apply(t, ns, release("web", fields+fault))
}

// An upgrade that fails is rolled back once, where nothing else is asked for.
func TestUpgradeFails(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  timeout: 3s\n", unready)
	want := failed("1 superseded", "2 failed", "3 deployed, Rollback to 1")
	want.Remediated, want.Stalled, want.UpgradeFailures = "True", true, 1
	await(t, ns, "web", want)
}

// It is left where remediation is configured and excludes the last failure.
func TestUpgradeFailsAndIsLeft(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  timeout: 3s\n  upgrade: {remediation: {remediateLastFailure: false}}\n", unready)
	want := failed("1 deployed", "2 failed")
	want.Stalled, want.UpgradeFailures = true, 1
	await(t, ns, "web", want)
}

// Tests that fail are a failed upgrade.
func TestUpgradeTestFails(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  test: {enable: true}\n", failedTest)
	want := untested("1 superseded", "2 superseded", "3 deployed, Rollback to 1")
	want.Remediated, want.Stalled, want.UpgradeFailures = "True", true, 1
	await(t, ns, "web", want)
}

func TestUpgradeTestFailsAndIsLeft(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  test: {enable: true}\n  upgrade: {remediation: {remediateLastFailure: false}}\n", failedTest)
	want := untested("1 superseded", "2 deployed")
	want.Stalled, want.UpgradeFailures = true, 1
	await(t, ns, "web", want)
}

func TestUpgradeFailsAndIsRemediated(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  timeout: 10s\n  upgrade: {remediation: {remediateLastFailure: true}}\n", unready)
	want := failed("1 superseded", "2 failed", "3 deployed, Rollback to 1")
	want.Remediated, want.Stalled, want.UpgradeFailures = "True", true, 1
	await(t, ns, "web", want)
}

func TestUpgradeFailsAndIsRetried(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  timeout: 3s\n  upgrade: {remediation: {retries: 1}}\n", unready)
	want := failed("1 superseded", "2 failed", "3 superseded, Rollback to 1", "4 failed", "5 deployed, Rollback to 3")
	want.Remediated, want.Stalled, want.UpgradeFailures = "True", true, 2
	await(t, ns, "web", want)
}

// A failed upgrade that is uninstalled is installed anew, which fails too and is left.
func TestUpgradeFailsAndIsUninstalled(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, `  timeout: 3s
  install: {remediation: {retries: 0}}
  upgrade: {remediation: {remediateLastFailure: true, strategy: uninstall}}
`, unready)
	want := failed("1 failed")
	want.Stalled, want.InstallFailures, want.UpgradeFailures = true, 1, 1
	await(t, ns, "web", want)
}

// New input starts anew after everything else was given up.
func TestAFixEndsAStall(t *testing.T) {
	ns := namespace(t)
	upgrade(t, ns, "  timeout: 3s\n", unready)
	stalled := failed("1 superseded", "2 failed", "3 deployed, Rollback to 1")
	stalled.Remediated, stalled.Stalled, stalled.UpgradeFailures = "True", true, 1
	await(t, ns, "web", stalled)
	apply(t, ns, release("web", "  timeout: 30s\n  values: {message: fixed}"))
	await(t, ns, "web", good("1 superseded", "2 failed", "3 superseded, Rollback to 1", "4 deployed"))
}
