package status

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// UnconfirmedDigest identifies the objects whose deletion waits for a user; empty for none.
func UnconfirmedDigest(k *v1beta1.Kustomization) string {
	if k.Status.UnconfirmedPrune == nil {
		return ""
	}
	return k.Status.UnconfirmedPrune.Digest
}

// unconfirmed records which objects wait for the confirmation of their deletion. The event has no reason when these
// waited before, or there are none.
func unconfirmed(k *v1beta1.Kustomization, o Applied, w writer) Event {
	before := UnconfirmedDigest(k)
	k.Status.UnconfirmedPrune = o.Unconfirmed
	if o.Unconfirmed == nil {
		w.unset(v1beta1.PrunedCondition)
		return Event{}
	}

	message := waitsForConfirmation(k)
	w.set(v1beta1.PrunedCondition, metav1.ConditionFalse, v1beta1.AwaitingConfirmationReason, message)
	if o.Unconfirmed.Digest == before {
		return Event{}
	}

	return Event{Action: ActionPrune, Reason: v1beta1.AwaitingConfirmationReason, Message: message}
}

// waitsForConfirmation names the objects that wait for the confirmation of their deletion, and says how to confirm it;
// empty when there are none.
func waitsForConfirmation(k *v1beta1.Kustomization) string {
	waits := k.Status.UnconfirmedPrune
	if waits == nil {
		return ""
	}

	objects := make([]string, 0, len(waits.Objects))
	for _, o := range waits.Objects {
		objects = append(objects, o.String())
	}

	text := named(objects)
	if more := int(waits.Count) - len(objects); more > 0 {
		text += fmt.Sprintf(" and further %d", more)
	}

	return fmt.Sprintf("the source no longer has %s; deleting them waits for a user; to confirm it: fairlead approve "+
		"kustomization %s -n %s --prune %s", text, k.Name, k.Namespace, v1beta1.ShortDigest(waits.Digest))
}
