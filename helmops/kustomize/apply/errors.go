package apply

import (
	"errors"
	"fmt"
	"net"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/guard"
	"fairlead.dev/fairlead/helmops/process/memory"
)

// maxNamed is how many objects are named in an error.
const maxNamed = 3

// KindError says that the cluster does not know the kind of an object, and that no definition in the set brings it.
// Nothing was written; it helps to try again when the cluster knows it.
type KindError struct {
	Object string
	Kind   schema.GroupVersionKind
}

// Error implements error.
func (e *KindError) Error() string {
	return fmt.Sprintf("%s: the cluster does not know the kind %s of %s; nothing was changed, and it is tried again "+
		"once the kind is there",
		e.Object, e.Kind.Kind, e.Kind.GroupVersion())
}

// OwnedError says that an object belongs to another owner. Nothing was written.
type OwnedError struct {
	Object string
	// Owner is what it belongs to: "Kustomization apps/web", "the Helm release apps/web", "a Kustomization of another
	// namespace".
	Owner string
}

// Error implements error.
func (e *OwnedError) Error() string {
	return fmt.Sprintf("%s belongs to %s; nothing was changed; remove it from one of the two", e.Object, e.Owner)
}

// EmptyError says that a set has become empty. Nothing was deleted.
type EmptyError struct{ Objects int }

// Error implements error.
func (e *EmptyError) Error() string {
	return fmt.Sprintf("there is no object any more, which would delete all %d that were applied; nothing was deleted; "+
		"set spec.allowEmpty if that is meant", e.Objects)
}

// ForeignError says that deleting an object would take objects of others with it.
type ForeignError struct {
	Object string
	// Holds names objects of others in it.
	Holds []string
	// Late is set when this turned out after other objects had been written or deleted; unset, nothing was.
	Late bool
	// First is one of them, so that it can be watched; nil when its kind is not known.
	First *tracker.Ref
}

// Error implements error.
func (e *ForeignError) Error() string {
	outcome := "nothing was changed"
	if e.Late {
		outcome = "it was not deleted"
	}
	return fmt.Sprintf("%s is no longer in the source, but deleting it would delete what others have in it: %s; %s; "+
		"remove them, or annotate it with %s: %s",
		e.Object, firstOf(e.Holds), outcome, v1beta1.PruneAnnotation, v1beta1.Disabled)
}

// UnseenError says that an object is not deleted because the identity may not see whether it holds objects of others.
type UnseenError struct {
	Object string
	// User is the identity, empty for the controller.
	User string
	// Resources that it may not list.
	Resources []string
	// Late is as in a ForeignError.
	Late bool
}

// Error implements error.
func (e *UnseenError) Error() string {
	outcome := "nothing was changed"
	who := "Fairlead"
	if e.Late {
		outcome = "it was not deleted"
	}
	if e.User != "" {
		who = e.User
	}

	return fmt.Sprintf("%s is no longer in the source, but %s may not list %s to see whether objects of others would be "+
		"deleted with it; %s; "+
		"allow it to list them, or annotate the object with %s: %s", e.Object, who, firstOf(e.Resources), outcome,
		v1beta1.PruneAnnotation, v1beta1.Disabled)
}

// firstOf names the first few, and says how many there are beside.
func firstOf(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
}

// Reason is the reason of an error for the condition Ready, and whether the same set can never be applied.
func Reason(err error) (reason string, final bool) {
	var kind *KindError
	var owned *OwnedError
	var empty *EmptyError
	var foreign *ForeignError
	var unseen *UnseenError
	var rejected *ssa.InvalidObjectsError
	var kubeconfig *cluster.KubeconfigError
	var unreachable *net.OpError
	var exceeded *memory.ExceededError
	var fault *guard.PanicError
	var token *cluster.TokenError
	switch {
	case errors.As(err, &fault):
		return fault.Reason(), false
	case errors.As(err, &token):
		return token.Reason(), false
	case errors.As(err, &kubeconfig):
		return v1beta1.KubeConfigInvalidReason, false
	case errors.As(err, &unreachable), errors.As(err, &exceeded):
		return v1beta1.ClusterUnreachableReason, false
	case errors.As(err, &kind):
		return v1beta1.KindUnknownReason, false
	case errors.As(err, &owned):
		return v1beta1.OwnershipConflictReason, false
	case errors.As(err, &empty):
		return v1beta1.NothingToApplyReason, false
	case errors.As(err, &foreign), errors.As(err, &unseen):
		return v1beta1.PruneRefusedReason, false
	case apierrors.IsForbidden(err):
		return v1beta1.AccessDeniedReason, false
	case errors.As(err, &rejected):
		return v1beta1.ValidationFailedReason, rejected.Final
	default:
		return v1beta1.ApplyFailedReason, false
	}
}

// kustomization names an owner for people.
func kustomization(owner types.NamespacedName) string { return "Kustomization " + owner.String() }
