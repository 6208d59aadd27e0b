package kustomization

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// faulted is the end of an attempt that met a fault of the controller. What was applied until then is found by the next one.
func faulted(k *v1beta1.Kustomization, revision, digest string, fault error) landed {
	return landed{
		request: k.Annotations[v1beta1.ReconcileRequestAnnotation], forced: forceRequested(k),
		applied: status.Applied{
			Generation: k.Generation, Revision: revision, Digest: digest, Departing: digest == departs,
			Failure: &status.Failure{Reason: v1beta1.InternalErrorReason, Message: fault.Error()},
		},
	}
}

func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
