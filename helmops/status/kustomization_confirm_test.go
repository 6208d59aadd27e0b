package status

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestKustomizationAsksForAConfirmation(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	k.Namespace, k.Name = "fleet", "apps"
	waits := &v1beta1.UnconfirmedPrune{
		Digest: "sha256:0123456789abcdef", Count: 40, Objects: []v1beta1.KeptObject{{Kind: "ConfigMap", Namespace: "a", Name: "b"}},
	}
	o := Applied{Revision: "main@2", Digest: "d2", Unconfirmed: waits}
	event := KustomizationApplied(k, o, now)
	for _, part := range []string{
		"ConfigMap a/b and further 39", "fairlead approve kustomization apps -n fleet --prune 0123456789ab",
	} {
		if !strings.Contains(event.Message, part) {
			t.Errorf("the event %q lacks %q", event.Message, part)
		}
	}
	if event.Warning || event.Reason != v1beta1.AwaitingConfirmationReason ||
		allConditions(k)["Pruned"] != "False AwaitingConfirmation" || UnconfirmedDigest(k) != waits.Digest {
		t.Errorf("event %+v, conditions %v", event, allConditions(k))
	}

	more := Applied{Revision: "main@2", Digest: "d2", Changed: []string{"ConfigMap a/c"}, Unconfirmed: &v1beta1.UnconfirmedPrune{
		Digest: "sha256:fedcba9876543210", Count: 1, Objects: waits.Objects,
	}}
	if both := KustomizationApplied(k.DeepCopy(), more, now); both.Reason != v1beta1.AppliedReason ||
		!strings.Contains(both.Message, "changed ConfigMap a/c; the source no longer has ConfigMap a/b") {
		t.Errorf("an event about both: %+v", both)
	}
	if again := KustomizationApplied(k, o, now); again.Reason != "" {
		t.Errorf("the same is reported again: %+v", again)
	}

	KustomizationSettled(k, nil, false, now)
	if !IsReady(k) || !strings.Contains(Message(k), "deletions that wait for a confirmation: 40") {
		t.Errorf("Ready says %q", Message(k))
	}

	KustomizationApplied(k, Applied{Revision: "main@2", Digest: "d2", Deleted: []string{"ConfigMap a/b"}}, now)
	if _, has := allConditions(k)["Pruned"]; has || k.Status.UnconfirmedPrune != nil {
		t.Errorf("it is deleted, and the conditions are %v", allConditions(k))
	}
}
