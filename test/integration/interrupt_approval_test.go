package integration

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// A controller that is killed between an approval and the upgrade does not lose the approval, and one that moved
// meanwhile does not count.
func TestKilledBetweenApprovalAndUpgrade(t *testing.T) {
	ns, v := interruption(t)
	hr := fragileRelease(ns, "approved", `{"message":"one"}`)
	v.install(t, hr)
	starts := func(r env.Request) bool { return isRecord(hr.Name)(r) && r.Verb == env.Create }

	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) {
		hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
		withValues(hr, `{"message":"two"}`)
	})
	waits := awaitsApproval(t, hr, "1.0.0")
	v.killAt(t, starts, func() { approvePlan(t, hr, waits.Digest) })
	if at := revisionOf(t, hr); at != "1 1.0.0" {
		t.Fatalf("after the kill it is at revision %s", at)
	}
	v.start(t)
	until(t, "the approved upgrade is there", func() bool { return revisionOf(t, hr) == "2 1.0.0" })
	awaitReady(t, hr)

	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"three"}`) })
	waits = awaitsApproval(t, hr, "1.0.0")
	v.killAt(t, starts, func() { approvePlan(t, hr, waits.Digest) })
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"four"}`) })
	v.start(t)
	until(t, "the plan waits again, because the values have moved", func() bool {
		planned := get(t, hr).Status.Plan
		return planned != nil && planned.Moved == "values"
	})
	if at := revisionOf(t, hr); at != "2 1.0.0" {
		t.Errorf("without an approval it is at revision %s", at)
	}
}
