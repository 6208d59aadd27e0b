package status

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// objectsSynced records the sync of some objects that a user asked for. It says nothing about the release as a whole:
// Ready stays as it is, and what is known of the drift of other objects stays, too.
func objectsSynced(hr *v1beta1.HelmRelease, o Outcome, w writer) Event {
	sync := &v1beta1.ObjectSync{RequestedAt: o.SyncRequest, Revision: v1beta1.Number(o.To), At: metav1.NewTime(w.now)}
	names := make([]string, 0, len(o.Looked))
	for _, ref := range o.Looked {
		sync.Objects = append(sync.Objects, ref.ID)
		if namespace, name, _, kind, ok := ref.Split(); ok {
			names = append(names, nameOf(kind, namespace, name))
		}
	}

	hr.Status.LastObjectSync = sync
	hr.Status.LastHandledSyncObjectsAt = o.SyncRequest
	what := fmt.Sprintf("sync of %s to revision %d, requested at %s", named(names), o.To, o.SyncRequest)
	if o.Failure != nil {
		sync.Failure = cut(o.Failure.Message, maxMessage)
		return Event{Warning: true, Reason: v1beta1.ObjectsSyncedReason, Message: what + " failed: " + o.Failure.Message}
	}

	driftAfterSync(hr, o, w)
	fixed := slices.DeleteFunc(slices.Clone(o.Drift), func(d v1beta1.ObjectDrift) bool { return d.Note != "" || onlyAdded(d) })
	if len(fixed) == 0 {
		return Event{Reason: v1beta1.ObjectsSyncedReason, Message: what + ": nothing differed"}
	}

	return Event{Reason: v1beta1.ObjectsSyncedReason, Message: what + ": corrected: " + describeDrift(fixed)}
}

// driftAfterSync takes the objects that were synced out of what differs, but for those that were left as they are.
func driftAfterSync(hr *v1beta1.HelmRelease, o Outcome, w writer) {
	if hr.GetDriftMode() == v1beta1.DriftDisabled {
		return
	}

	corrected := o
	corrected.Drift = slices.DeleteFunc(slices.Clone(o.Drift), func(d v1beta1.ObjectDrift) bool { return d.Note == "" && !onlyAdded(d) })
	outstanding := merge(hr.Status.Drift, corrected)
	keepDrift(hr, outstanding)
	differing := slices.DeleteFunc(slices.Clone(outstanding), onlyAdded)
	if len(differing) == 0 {
		driftNone(w, outstanding)
		return
	}

	w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason,
		fmt.Sprintf("%s; %s", describeDrift(differing), leftBecause(hr, o)))
}

// ObjectSyncAnswered records that a request to sync some objects was handled, although nothing was synced: the release
// has no such objects, or something else has to be done with it first.
func ObjectSyncAnswered(hr *v1beta1.HelmRelease) {
	if token, _ := v1beta1.ObjectSyncRequest(hr, hr.Status.LastHandledSyncObjectsAt); token != "" {
		hr.Status.LastHandledSyncObjectsAt = token
	}
}
