package status

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// ReceiverObserved records that the controller has seen the present generation of a receiver, and answers the request
// of the user.
func ReceiverObserved(r *v1beta1.Receiver) {
	r.SetObservedGeneration(r.Generation)
	r.Status.LastHandledReconcileAt = r.Annotations[v1beta1.ReconcileRequestAnnotation]
}

// ReceiverServes records the path that a receiver is called at.
func ReceiverServes(r *v1beta1.Receiver, path string, now time.Time) {
	r.Status.WebhookPath = path
	Ready(r, v1beta1.SucceededReason, "its path is "+path, now)
}

// ReceiverFailed records why a receiver cannot be called: it has no path.
func ReceiverFailed(r *v1beta1.Receiver, f Failure, now time.Time) {
	r.Status.WebhookPath = ""
	if f.Final {
		Stalled(r, f.Reason, f.Message, now)
		return
	}
	Retrying(r, f.Reason, f.Message, now)
}
