package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// decides makes an Approval as a user who is in the groups, with the spec besides the user, in YAML.
func decides(t *testing.T, ns, name, user, spec string, groups ...string) (stderr string, code int) {
	t.Helper()
	content := fmt.Sprintf("apiVersion: fairlead.dev/v1beta1\nkind: Approval\nmetadata: {namespace: %s, name: %s}\n"+
		"spec: {kind: HelmRelease, %s}\n", ns, name, spec)
	file := filepath.Join(t.TempDir(), "approval.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"create", "--as", user, "--as-group", "system:masters", "-f", file}
	for _, group := range groups {
		args = append(args, "--as-group", group)
	}
	_, stderr, code = command(t, "kubectl", args...)
	return stderr, code
}

// policyUsers counts the tests that need the policies of approvals, which are for the whole cluster.
var policyUsers struct {
	sync.Mutex
	count int
}

// approvalPolicies has the API server check who approves, until the test has ended.
func approvalPolicies(t *testing.T) {
	t.Helper()
	policies := filepath.Join("..", "..", "config", "approvals", "policies.yaml")
	policyUsers.Lock()
	defer policyUsers.Unlock()
	if policyUsers.count == 0 {
		mustRun(t, "kubectl", "apply", "-f", policies)
	}
	policyUsers.count++

	t.Cleanup(func() {
		policyUsers.Lock()
		defer policyUsers.Unlock()
		policyUsers.count--
		if policyUsers.count == 0 {
			mustRun(t, "kubectl", "delete", "-f", policies)
		}
	})
}

func waitsWith(t *testing.T, hr *v1beta1.HelmRelease, text string) {
	t.Helper()
	until(t, hr.Name+" waits with "+text, func() bool {
		ready := condition(t, hr, v1beta1.ReadyCondition)
		return ready.Reason == v1beta1.AwaitingApprovalReason && strings.Contains(ready.Message, text)
	})
}

// A plan runs when so many users of the groups approve it, by its digest, and none rejects it. The whole plan is in the
// cluster while it waits.
func TestUsersApprovePlans(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	approvalPolicies(t)
	until(t, "an approval in the name of another user is refused", func() bool {
		spec := fmt.Sprintf("name: none, digest: \"sha256:%s\", user: alice", strings.Repeat("0", 64))
		stderr, code := decides(t, ns, "probe", "mallory", spec)
		_, _, _ = command(t, "kubectl", "delete", "approvals.fairlead.dev", "probe", "-n", ns, "--ignore-not-found")
		return code != 0 && strings.Contains(stderr, "spec.user has to be the name of the user")
	})
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0", "1.1.0")
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"message":"one"}`)
	hr.Spec.Sync = &v1beta1.Sync{
		Mode: v1beta1.SyncManual, Approval: &v1beta1.SyncApproval{Count: 2, Groups: []string{"owners"}},
	}
	other := release(ns, "other", "sample", "1.0.0", "charts", `{"message":"one"}`)
	other.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr, other)

	waits := awaitsApproval(t, hr, "1.0.0")
	stored := &v1beta1.ReleasePlan{ObjectMeta: named(ns, v1beta1.PlanName(v1beta1.HelmReleaseKind, "shop"))}
	stored = get(t, stored)
	if stored.Spec.Digest != waits.Digest || !metav1.IsControlledBy(stored, get(t, hr)) {
		t.Errorf("the stored plan is %s of %v, want %s", stored.Spec.Digest, stored.OwnerReferences, waits.Digest)
	}
	waitingFor := regexp.MustCompile(`(?m)^but: the install of sample 1.0.0 waits for the approval of plan .*$`)
	whole := plannedBy(t, ns, "shop", "--waiting")
	if !waitingFor.MatchString(whole) {
		t.Errorf("the stored plan does not say what it waits for:\n%s", whole)
	}
	whole = waitingFor.ReplaceAllString(whole, "")
	if diff := cmp.Diff(waitingFor.ReplaceAllString(plannedBy(t, ns, "shop"), ""), whole); diff != "" {
		t.Errorf("the stored plan is not the one that the command computes (-computed +stored):\n%s", diff)
	}

	approves := fmt.Sprintf("name: shop, digest: %q, user: ", waits.Digest)
	owners := ", groups: [owners]"
	if stderr, code := decides(t, ns, "forged", "mallory", approves+"mallory"+owners); code == 0 ||
		!strings.Contains(stderr, "spec.groups has to name groups of the user") {
		t.Errorf("an approval with the group of others: exit code %d, %s", code, stderr)
	}

	mustDecide := func(name, user, spec string, groups ...string) {
		t.Helper()
		if stderr, code := decides(t, ns, name, user, spec, groups...); code != 0 {
			t.Fatalf("%s: exit code %d, %s", name, code, stderr)
		}
	}
	mustDecide("carol", "carol", approves+"carol")
	waitsWith(t, hr, "2 approvals are needed; carol is in none of the groups owners")
	mustDecide("alice", "alice", approves+"alice"+owners, "owners")
	mustDecide("alice-again", "alice", approves+"alice"+owners, "owners")
	waitsWith(t, hr, "approved by alice; 1 of 2 approvals are missing")
	mustDecide("bob-rejects", "bob", approves+"bob, decision: Reject, comment: not today"+owners, "owners")
	mustDecide("bob", "bob", approves+"bob"+owners, "owners")
	waitsWith(t, hr, "bob rejected it: not today")
	if latest := get(t, hr).Status.Latest(); latest != nil {
		t.Fatalf("a rejected plan ran: %+v", latest)
	}

	// An approval that is replayed for another object counts for nothing.
	replayed := awaitsApproval(t, other, "1.0.0")
	mustDecide("replayed", "bob", strings.Replace(approves, "shop", "other", 1)+"bob"+owners, "owners")
	mustRun(t, "fairlead", "suspend", "release", "other", "-n", ns)
	mustRun(t, "fairlead", "resume", "release", "other", "-n", ns)
	again := awaitsApproval(t, other, "1.0.0")
	if latest := get(t, other).Status.Latest(); latest != nil || again.Digest != replayed.Digest {
		t.Errorf("an approval of another object's plan: %+v, %+v", again, latest)
	}

	remove(t, &v1beta1.Approval{ObjectMeta: named(ns, "bob-rejects")})
	awaitVersion(t, hr, "1.0.0")
	awaitReady(t, hr)
	until(t, "the plan that ran is not stored any more", func() bool {
		return apierrors.IsNotFound(world.cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	})

	// The approvals were for one plan: the next one waits.
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "1.1.0" })
	next := awaitsApproval(t, hr, "1.1.0")
	if next.Digest == waits.Digest || revisionOf(t, hr) != "1 1.0.0" {
		t.Errorf("the next plan is %s, at revision %s", next.Digest, revisionOf(t, hr))
	}
}

// Users decide by the command.
func TestTheCommandApprovesPlans(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0")
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"message":"one"}`)
	hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)

	waits := awaitsApproval(t, hr, "1.0.0")
	short := v1beta1.ShortDigest(waits.Digest)
	says(t, mustRun(t, "fairlead", "reject", "release", "shop", "--plan", short, "--comment", "too soon", "-n", ns),
		"plan "+short+" rejected by ")
	waitsWith(t, hr, "rejected it: too soon")
	mustRun(t, "kubectl", "delete", "approvals.fairlead.dev", "--all", "-n", ns)

	// Values that change after the approval: the condition names them, and nothing runs.
	withOther := func(hr *v1beta1.HelmRelease) { withValues(hr, `{"message":"two"}`) }
	mustRun(t, "fairlead", "suspend", "release", "shop", "-n", ns)
	says(t, mustRun(t, "fairlead", "approve", "release", "shop", "--plan", short, "-n", ns), "plan "+short+" approved by ")
	change(t, get(t, hr), withOther)
	mustRun(t, "fairlead", "resume", "release", "shop", "-n", ns)
	waitsWith(t, hr, "is for plan "+short+"; this has changed since that approval: values")
	other := awaitsApproval(t, hr, "1.0.0")
	mustRun(t, "fairlead", "approve", "release", "shop", "--plan", other.Digest, "-n", ns)
	awaitVersion(t, hr, "1.0.0")
	if got := configMap(t, ns, "shop")["message"]; got != "two" {
		t.Errorf("the message is %q", got)
	}
}

// A controller that is killed between the approval and the upgrade leaves an approval that the next one acts on, once.
func TestKilledAfterAnApproval(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0", "1.1.0")
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"message":"one"}`)
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitVersion(t, hr, "1.0.0")
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) {
		hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
		hr.Spec.Chart.Spec.Version = "1.1.0"
	})
	waits := awaitsApproval(t, hr, "1.1.0")

	v.killAt(t, nth(1, writes("secrets", "")), func() {
		mustRun(t, "fairlead", "approve", "release", "shop", "--plan", waits.Digest, "-n", ns)
	})
	v.start(t)
	awaitVersion(t, hr, "1.1.0")
	awaitReady(t, hr)
	if version := revisionOf(t, hr); version != "2 1.1.0" {
		t.Errorf("it is at revision %s", version)
	}
}
