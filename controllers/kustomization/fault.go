package kustomization

import (
	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/status"
)

// faulted is the end of an attempt that met a fault of the controller. What was applied until then is found by the next
// one.
func faulted(k *v1beta1.Kustomization, revision, digest string, fault error) actionResult {
	return actionResult{
		applied: status.Applied{
			Generation: k.Generation, Revision: revision, Digest: digest, Departing: digest == plan.Departure,
			Request: k.Annotations[v1beta1.ReconcileRequestAnnotation], Forced: forceRequested(k),
			Failure: &status.Failure{Reason: v1beta1.InternalErrorReason, Message: fault.Error()},
		},
	}
}
