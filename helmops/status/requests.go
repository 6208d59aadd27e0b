package status

import "fairlead.dev/fairlead/api/v1beta1"

// ReleaseAnswered records that the request for a reconcile with this token is answered. An empty token is none.
func ReleaseAnswered(hr *v1beta1.HelmRelease, token string) {
	hr.Status.LastHandledReconcileAt = token
}

// ReleaseForced records that the request for a forced action with this token is answered.
func ReleaseForced(hr *v1beta1.HelmRelease, token string) {
	hr.Status.LastHandledForceAt = token
}

// ReleaseWants records the digest of the inputs that are wanted now.
func ReleaseWants(hr *v1beta1.HelmRelease, digest string) {
	hr.Status.InputDigest = digest
}
