package status

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	kustomization "fairlead.dev/fairlead/helmops/kustomize/plan"
)

// IsAwaitingApproval reports whether the object says that it waits for an approval.
func IsAwaitingApproval(object v1beta1.Conditioned) bool {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionUnknown && ready.Reason == v1beta1.AwaitingApprovalReason
}

// KustomizationForeseen records the plan of the next attempt. It is no news by itself: the decision that follows says
// whether the plan waits.
func KustomizationForeseen(k *v1beta1.Kustomization, next *v1beta1.KustomizationPlanStatus, now time.Time) {
	next.FromRevision = k.Status.LastAppliedRevision
	next.ExpiresAt = metav1.NewTime(now.Add(v1beta1.PlanValidity))
	if had := k.Status.Plan; had != nil {
		was := formerPlan{digest: had.Digest, replaces: had.Replaces, moved: had.Moved}
		next.Replaces, next.Moved = was.replacedBy(next.Digest, k.Spec.Sync, func() string {
			return kustomizationMoved(had, next)
		})
	}

	k.Status.Plan = next
}

// KustomizationPlanChanged records that the plan would no longer do what it says, so the controller computes it again.
func KustomizationPlanChanged(k *v1beta1.Kustomization, now time.Time) {
	if k.Status.Plan != nil {
		k.Status.Plan.ExpiresAt = metav1.NewTime(now)
	}
}

// kustomizationMoved says in words what is different between two plans.
func kustomizationMoved(had, next *v1beta1.KustomizationPlanStatus) string {
	var moved []string
	add := func(differs bool, what string) {
		if differs {
			moved = append(moved, what)
		}
	}
	newRevision := had.Revision != next.Revision
	add(newRevision, fmt.Sprintf("revision %s → %s", had.Revision, next.Revision))
	add(!newRevision && had.BuildDigest != next.BuildDigest, "what is built of the spec, its variables and its keys")
	add(had.PruneDigest != next.PruneDigest, "which objects are deleted")
	add(had.FromDigest != next.FromDigest, fmt.Sprintf("what is applied, %s → %s",
		orNothing(had.FromRevision), orNothing(next.FromRevision)))
	add(had.KubeVersion != next.KubeVersion, fmt.Sprintf("Kubernetes %s → %s", had.KubeVersion, next.KubeVersion))
	return strings.Join(moved, ", ")
}

func orNothing(revision string) string {
	if revision == "" {
		return "nothing"
	}
	return revision
}

// kustomizationAwaits records that a plan waits for an approval, which answers the requests of the user. The event has
// no reason when that was recorded before.
func kustomizationAwaits(
	k *v1beta1.Kustomization, p kustomization.Plan, objects *kustomization.Objects, now time.Time,
) Event {
	before := Message(k)
	k.Status.ObservedGeneration = k.Generation
	k.Status.LastHandledReconcileAt = k.Annotations[v1beta1.ReconcileRequestAnnotation]
	if forced := v1beta1.SpecialRequest(k, v1beta1.ForceRequestAnnotation, k.Status.LastHandledForceAt); forced != "" {
		k.Status.LastHandledForceAt = forced
	}

	if objects != nil && objects.Known && k.Status.LastAppliedRevision != "" {
		KustomizationHealth(k, Health{Known: !objects.Blind, Objects: objects.Unhealthy, Of: objects.Of}, now)
	}

	message := p.Message
	if last := k.Status.LastAppliedRevision; last != "" {
		message += "; " + last + " stays applied"
	}

	current(k, now).awaiting(p.Reason, message)
	if Message(k) == before {
		return Event{}
	}

	return Event{Action: ActionPlan, Reason: p.Reason, Message: p.Message}
}

// KustomizationRepaired records a repair of the revision that is applied, which was made while a plan waits. It is no
// attempt of what is wanted.
func KustomizationRepaired(k *v1beta1.Kustomization, o Applied, now time.Time) Event {
	w := writer{object: k, generation: o.Generation, now: now}
	if o.Inventory != nil {
		k.Status.Inventory = inventoryOf(o.Inventory)
	}
	if o.Failure != nil {
		message := joined(fmt.Sprintf("objects differ from %s, and correcting them failed: %s",
			k.Status.LastAppliedRevision, o.Failure.Message), o.Next)
		w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason, message)
		return Event{Warning: true, Reason: o.Failure.Reason, Message: message}.As(ActionApply)
	}

	drifted(o, w)
	corrected := append(append([]string{}, o.Corrected...), o.Created...)
	if len(corrected) == 0 {
		return Event{}
	}

	return Event{
		Warning: true, Reason: v1beta1.DriftCorrectedReason,
		Message: "corrected, because another client had changed it: " + strings.Join(corrected, ", "),
	}.As(ActionApply)
}

// KustomizationArtifact records the digest of the artifact that is applied, which earlier versions did not.
func KustomizationArtifact(k *v1beta1.Kustomization, digest string) {
	k.Status.LastAppliedArtifact = digest
}
