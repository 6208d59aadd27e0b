package status

import (
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// adviseAfter is how many attempts with one input fail in a row until the message says what a person can do: what fails
// less often can be over with the next attempt.
const adviseAfter = 3

// immutable are the words with which API servers refuse the change of a field that cannot be changed.
var immutable = []string{
	"field is immutable", "Value is immutable", "may not be changed", "cannot be changed", "updates to statefulset spec",
}

// adviceRelease says what a person can do about a release whose attempts with one input keep failing; empty when they
// have not failed often enough, or nothing is known to help.
func adviceRelease(f Failure, failures int64) string {
	switch {
	case failures < adviseAfter:
		return ""
	case refusesChange(f.Message):
		return "a field of an object that exists cannot be changed: delete the object, and the next attempt recreates it; " +
			"or give it another name in the chart"
	default:
		return adviceAny(f.Reason)
	}
}

// adviceKustomization is adviceRelease for a Kustomization. forces is set when it replaces objects already.
func adviceKustomization(f Failure, failures int64, forces bool) string {
	switch {
	case failures < adviseAfter:
		return ""
	case refusesChange(f.Message) && !forces:
		return "fairlead reconcile kustomization with --force replaces the object once, spec.force always"
	case refusesChange(f.Message):
		return "spec.force does not replace objects with data: delete the object by hand, or give it another name"
	case f.Reason == v1beta1.OwnershipConflictReason:
		return "to hand the object over, both have to follow one source"
	case f.Reason == v1beta1.ApplyFailedReason:
		return "where an object needs another one first, a webhook for example, spec.dependsOn puts them in order"
	default:
		return adviceAny(f.Reason)
	}
}

// adviceAny is what helps whatever the kind is.
func adviceAny(reason string) string {
	switch reason {
	case v1beta1.AccessDeniedReason:
		return "grant the missing right to the identity that the message names, or name another ServiceAccount in " +
			"spec.serviceAccountName"
	case v1beta1.KindUnknownReason, v1beta1.CRDsFailedReason:
		return "install the definition first: spec.dependsOn puts what brings it before what uses it"
	default:
		return ""
	}
}

func refusesChange(message string) bool {
	for _, words := range immutable {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}
