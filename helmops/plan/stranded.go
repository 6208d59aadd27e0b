package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// strandedLook is how often the namespace of a deleted object is looked at that cannot be uninstalled for lack of an
// identity. Namespaces are not watched, and this is rare.
const strandedLook = time.Minute

// ReasonStranded is the reason of a deleted object that goes without an uninstall, because there is nothing to
// uninstall with, or what is left goes with its namespace.
const ReasonStranded = "Stranded"

// Stranded is a deleted object whose Helm release cannot be uninstalled now.
type Stranded struct {
	// Reason of the obstacle, one of the conditions, and Message, its sentence.
	Reason, Message string
	// Forbidden is set when the identity exists, and may not read the records.
	Forbidden bool
	// Terminating is set when the namespace of the object is being deleted, which takes ServiceAccounts and Secrets
	// with it in any order, so that the identity does not come back.
	Terminating bool
	// Released is set when the status knows a revision of the release.
	Released bool
}

// Decide leaves the release behind where nothing can uninstall it any more, and else waits for what is missing: Step is
// None or Wait.
func (s Stranded) Decide(target Target) Plan {
	switch {
	case s.Terminating && s.Forbidden:
		return Plan{
			Step: None, Target: target, Reason: ReasonUnreachable,
			Message: s.Message + "; the namespace is being deleted, so the object goes without an uninstall; " +
				"cluster-wide objects of the release and those in other namespaces may be left",
		}
	case s.Terminating, !s.Released && s.noIdentity():
		return Plan{Step: None, Target: target, Reason: ReasonStranded, Message: s.Message}
	case s.Forbidden:
		return Plan{
			Step: Wait, Target: target, Reason: s.Reason, After: RetryDelay(1),
			Message: fmt.Sprintf("%s; restore the ServiceAccount and its rights, or set spec.deletionPolicy to %s to "+
				"leave the Helm release behind", s.Message, v1beta1.DeletionPolicyOrphan),
		}
	}

	return Plan{Step: Wait, Target: target, Reason: s.Reason, After: strandedLook, Message: fmt.Sprintf(
		"cannot uninstall %s/%s: %s; to keep the Helm release, set spec.deletionPolicy to %s",
		target.Namespace, target.Name, s.Message, v1beta1.DeletionPolicyOrphan)}
}

// noIdentity is false while a cluster only does not answer.
func (s Stranded) noIdentity() bool {
	switch s.Reason {
	case v1beta1.AccessDeniedReason, v1beta1.KubeConfigInvalidReason, v1beta1.UnsupportedReason:
		return !s.Forbidden
	}
	return false
}
