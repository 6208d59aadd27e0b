package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// awaitsRevision waits until the plan of a Kustomization waits for an approval, and returns it.
func awaitsRevision(t *testing.T, k *v1beta1.Kustomization, sha string) v1beta1.KustomizationPlanStatus {
	t.Helper()
	var waits v1beta1.KustomizationPlanStatus
	until(t, k.Name+" waits for the approval of "+sha, func() bool {
		now := get(t, k)
		p := now.Status.Plan
		if p == nil || !strings.HasSuffix(p.Revision, sha) || p.ObservedGeneration != now.Generation {
			return false
		}
		waits = *p
		ready := condition(t, k, v1beta1.ReadyCondition)
		return ready.Status == metav1.ConditionUnknown && ready.Reason == v1beta1.AwaitingApprovalReason &&
			strings.Contains(ready.Message, v1beta1.ShortDigest(p.Digest))
	})
	return waits
}

func approveRevision(t *testing.T, k *v1beta1.Kustomization, digest string) {
	t.Helper()
	change(t, get(t, k), func(k *v1beta1.Kustomization) { k.Spec.Sync.Approved = digest })
}

func editByHand(t *testing.T, ns, name string) {
	t.Helper()
	edited := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"data":{"value":"by hand"}}`))
	if err := world.cluster.Client.Patch(t.Context(), edited, patch, client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
}

// With manual sync no revision is applied but by the approval of its plan. The command computes the same plan. Drift of
// the revision that is applied is repaired meanwhile, of objects that the plan changes or deletes, too.
func TestManualSyncOfAKustomization(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"a.yaml": settings("a", "one"), "b.yaml": settings("b", "one")})
	k := kustomization(ns, "apps", "", func(s *v1beta1.KustomizationSpec) {
		s.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	})
	apply(t, k)

	waits := awaitsRevision(t, k, "")
	if waits.FromRevision != "" || waits.Summary != "2 created" || waits.Risk != v1beta1.RiskNone {
		t.Errorf("the first plan is %+v", waits)
	}
	if !holds(t, ns, "a", "") || !holds(t, ns, "b", "") {
		t.Fatal("it was applied without an approval")
	}
	approveRevision(t, k, waits.Digest)
	awaitReady(t, k)
	if !holds(t, ns, "a", "one") || !holds(t, ns, "b", "one") {
		t.Fatal("the approved plan was not applied")
	}

	next := awaitsRevision(t, k, commit(t, ns, map[string]string{"a.yaml": settings("a", "two"), "b.yaml": ""}))
	if next.Digest == waits.Digest || next.Summary != "1 changed, 1 deleted" || next.FromRevision == "" {
		t.Errorf("the plan of the commit is %+v", next)
	}

	local := t.TempDir()
	if err := os.WriteFile(filepath.Join(local, "a.yaml"), []byte(settings("a", "two")), 0o600); err != nil {
		t.Fatal(err)
	}
	printed, errs, code := command(t, "fairlead", "plan", "kustomization", "apps", "-n", ns, "--path", local)
	if code != 1 {
		t.Fatalf("plan: exit code %d, want 1\n%s%s", code, printed, errs)
	}
	says(t, printed, "1 changed, 1 deleted", "plan: "+next.Digest, "risk: "+next.Risk)
	printed, errs, code = command(t, "fairlead", "plan", "kustomization", "apps", "-n", ns)
	if code != 1 {
		t.Fatalf("plan of the source: exit code %d, want 1\n%s%s", code, printed, errs)
	}
	says(t, printed, "1 changed, 1 deleted", "plan: "+next.Digest, "risk: "+next.Risk)
	explained, _, _ := command(t, "fairlead", "explain", "kustomization", "apps", "-n", ns)
	says(t, explained, "Waiting", "set spec.sync.approved to "+next.Digest)

	for _, name := range []string{"a", "b"} {
		editByHand(t, ns, name)
		until(t, "drift of "+name+" is repaired while the plan waits", func() bool { return holds(t, ns, name, "one") })
	}
	if again := awaitsRevision(t, k, ""); again.Digest != next.Digest {
		t.Errorf("after the repair the plan is %s, want %s", again.Digest, next.Digest)
	}

	approveRevision(t, k, next.Digest)
	awaitReady(t, k)
	if !holds(t, ns, "a", "two") || !holds(t, ns, "b", "") || get(t, k).Status.Plan != nil {
		t.Error("the approved plan was not applied, or is left in the status")
	}
}

// An approval is for one plan: a commit after it that changes other objects has to be approved, too. One that changes
// none is applied, and so is a plan of a risk that does not wait.
func TestAnApprovalIsForOneRevision(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"apps/a.yaml": settings("a", "one")})
	k := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) {
		s.Sync = &v1beta1.Sync{Approval: &v1beta1.SyncApproval{MinRisk: v1beta1.RiskDataLoss}}
	})
	apply(t, k)
	awaitReady(t, k)
	change(t, get(t, k), func(k *v1beta1.Kustomization) { k.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual} })
	awaitApplied(t, k, commit(t, ns, map[string]string{"other/b.yaml": settings("b", "one")}))

	first := awaitsRevision(t, k, commit(t, ns, map[string]string{"apps/a.yaml": settings("a", "two")}))
	change(t, get(t, k), func(k *v1beta1.Kustomization) { k.Spec.Suspend = true })
	approveRevision(t, k, first.Digest)
	sha := commit(t, ns, map[string]string{"apps/a.yaml": settings("a", "three")})
	until(t, "the source has the commit", func() bool {
		source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"}}
		artifact := get(t, source).Status.Artifact
		return artifact != nil && strings.HasSuffix(artifact.Revision, sha)
	})
	change(t, get(t, k), func(k *v1beta1.Kustomization) { k.Spec.Suspend = false })

	second := awaitsRevision(t, k, sha)
	if second.Digest == first.Digest || !strings.HasPrefix(second.Moved, "revision "+first.Revision+" → ") {
		t.Errorf("after another commit the plan is %+v", second)
	}
	says(t, condition(t, k, v1beta1.ReadyCondition).Message, "approved is plan "+v1beta1.ShortDigest(first.Digest),
		"this has changed since that approval: revision ")
	if !holds(t, ns, "a", "one") {
		t.Error("something was applied that was not approved")
	}
	approveRevision(t, k, second.Digest)
	awaitApplied(t, k, sha)
	if !holds(t, ns, "a", "three") {
		t.Error("the approved plan was not applied")
	}
}
