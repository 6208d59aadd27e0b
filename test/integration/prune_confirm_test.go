package integration

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Deletions wait for a user, while the rest of the revision is applied. The command that the condition names confirms
// them.
func TestPruneWaitsForAConfirmation(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	fleet(t, ns, map[string]string{"apps/one.yaml": settings("one", "1"), "apps/two.yaml": settings("two", "1")})
	k := kustomization(ns, "apps", "apps", func(s *v1beta1.KustomizationSpec) {
		s.TargetNamespace = ns
		s.Sync = &v1beta1.Sync{Prune: v1beta1.PruneConfirm}
	})
	apply(t, k)
	awaitReady(t, k)
	sha := commit(t, ns, map[string]string{"apps/one.yaml": settings("one", "2"), "apps/two.yaml": ""})
	awaitApplied(t, k, sha)
	if !holds(t, ns, "one", "2") || !holds(t, ns, "two", "1") {
		t.Fatal("the rest was not applied, or an object was deleted without a confirmation")
	}

	waits := get(t, k).Status.UnconfirmedPrune
	pruned := condition(t, k, v1beta1.PrunedCondition)
	if waits == nil || waits.Count != 1 || pruned.Reason != v1beta1.AwaitingConfirmationReason {
		t.Fatalf("status %+v, condition %+v", waits, pruned)
	}
	says(t, pruned.Message, "ConfigMap "+ns+"/two", "fairlead approve kustomization apps -n "+ns)
	out := mustRun(t, "fairlead", "status", "kustomization", "apps", "-n", ns)
	if !strings.Contains(out, "--prune "+v1beta1.ShortDigest(waits.Digest)) {
		t.Errorf("status does not say how to confirm it:\n%s", out)
	}

	mustRun(t, "fairlead", "approve", "kustomization", "apps", "-n", ns, "--prune", v1beta1.ShortDigest(waits.Digest))
	until(t, "what was confirmed is deleted", func() bool {
		return holds(t, ns, "two", "") && get(t, k).Status.UnconfirmedPrune == nil
	})
	awaitReady(t, k)
}
