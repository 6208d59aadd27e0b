package ssa

import (
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Texts of the API server that Fairlead has to recognize, because its answers have no field for them; those of
// Kubernetes 1.37, and where a text has changed, those of versions before. TestServerTexts and TestServerTextsOfWebhooks
// in test/integration provoke them from a real API server, TestUnconvertibleTexts and TestDryRunText from the libraries
// that it uses.
const (
	// typedText begins what server-side apply says of an object that does not fit its schema: FromAPIVersion in
	// k8s.io/apimachinery/pkg/util/managedfields/internal/structuredmerge.go.
	typedText = "failed to create typed patch object"
	// duplicateText and undeclaredText are why: sigs.k8s.io/structured-merge-diff/v6/typed/validate.go. Without typedText,
	// they are about an object that exists already.
	duplicateText  = "duplicate entries for key"
	undeclaredText = "field not declared in schema"
	// strictText and unknownText are what a request with fieldValidation=Strict is refused with:
	// k8s.io/apimachinery/pkg/runtime/error.go and sigs.k8s.io/json.
	strictText  = "strict decoding error"
	unknownText = "unknown field"
	// dryRunText is said of an admission webhook with side effects, which only configurations from before Kubernetes 1.22
	// can have: k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go.
	dryRunText = "does not support dry run"
	// webhookText begins what is said of an admission webhook that did not answer; what a webhook refuses reads
	// otherwise: k8s.io/apiserver/pkg/util/webhook/error.go.
	webhookText = "failed calling webhook"
)

// rightsText is said for want of rights. Quotas, webhooks and namespaces that are being deleted are forbidden, too, and
// another matter: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go.
var rightsText = regexp.MustCompile(` cannot (get|list|watch|create|update|patch|delete|impersonate) resource `)

// immutableTexts are said of the change of a field that cannot be changed.
var immutableTexts = []string{
	// k8s.io/apimachinery/pkg/api/validation/objectmeta.go: Deployments, Jobs, ConfigMaps, StatefulSets, RoleBindings.
	"field is immutable",
	// Services and Pods: k8s.io/kubernetes/pkg/apis/core/validation/validation.go.
	"may not change once set", "pod updates may not change fields other than",
	// StatefulSets and RoleBindings before 1.37, and fields of other kinds.
	"updates to statefulset spec", "cannot change roleRef", "are forbidden", "may not be changed", "cannot be changed",
	// The message of rules in many definitions, those of the Gateway API among them.
	"Value is immutable",
}

// unconvertibleTexts begin what is said when an object cannot be brought into the version of an entry of
// metadata.managedFields: sigs.k8s.io/structured-merge-diff/v6/merge/update.go.
var unconvertibleTexts = []string{
	"failed to convert merged object", "failed to convert pruned object",
	"failed to convert old object", "failed to convert new object",
}

// IsDryRunUnsupported reports whether an object cannot be tried because an admission webhook does not support dry runs.
func IsDryRunUnsupported(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), dryRunText)
}

// IsWebhookUnanswered reports whether an error says that an admission webhook did not answer. It may be text only, as
// in errors of Helm. No error is none.
func IsWebhookUnanswered(err error) bool {
	return err != nil && strings.Contains(err.Error(), webhookText)
}

// IsRightMissing reports whether a text of the API server says that the user lacks a right.
func IsRightMissing(text string) bool { return rightsText.MatchString(text) }

// IsImmutable reports whether the API server refuses a change because a field cannot be changed.
func IsImmutable(err error) bool {
	return apierrors.IsInvalid(err) && containsAny(err.Error(), immutableTexts)
}

// IsUnknownField reports whether the API server refuses an object because its kind has no such field.
func IsUnknownField(err error) bool {
	return apierrors.IsBadRequest(err) && containsAny(err.Error(), []string{strictText, unknownText})
}

// IsMismatched reports whether an object does not fit the schema of its kind, which server-side apply calls an internal
// error or a bad request. No error is none.
func IsMismatched(err error) bool {
	return err != nil && (strings.Contains(err.Error(), typedText) || len(TypeFaults(err, nil)) > 0)
}

// IsApplyOnly reports whether an object cannot be applied, but may be accepted when it is created or patched otherwise:
// it has a key twice in a list, or a field that its kind does not have. A value of a wrong type is accepted in no way.
// No error is none.
func IsApplyOnly(err error) bool {
	if err == nil || len(TypeFaults(err, nil)) > 0 {
		return false
	}
	return containsAny(err.Error(), []string{typedText, duplicateText, undeclaredText})
}

// IsUnconvertible reports whether an object cannot be applied because a manager owns fields of it in another version of
// its kind, one that cannot express the object: it lacks a field that the version which is applied sets, or has a
// default for. Nothing is wrong with the object. No error is none.
func IsUnconvertible(err error) bool {
	return err != nil && containsAny(err.Error(), unconvertibleTexts)
}

func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
