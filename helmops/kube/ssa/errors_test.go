package ssa

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func status(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{
		ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message},
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	spec := field.NewPath("spec")
	invalid := func(errs ...*field.Error) error {
		return apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "web", errs)
	}
	policy := status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid,
		`configmaps "web" is forbidden: ValidatingAdmissionPolicy 'p' denied request: no`)
	policy.(*apierrors.StatusError).ErrStatus.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Message: "no"}}} //nolint:forcetypeassert // made above
	tests := []struct {
		name    string
		cause   error
		secret  bool
		decided bool
		final   bool
		want    string
	}{
		{name: "an immutable field", decided: true, final: true, want: "spec.selector: field is immutable",
			cause: invalid(field.Invalid(spec.Child("selector"), map[string]any{"a": "x: y"}, "field is immutable"))},
		{name: "a number", decided: true, final: true, want: "spec.replicas: Invalid value: -1: must not be negative",
			cause: invalid(field.Invalid(spec.Child("replicas"), -1, "must not be negative"))},
		{name: "a short text", decided: true, final: true, want: `spec.type: Invalid value: "x: y": is unknown`,
			cause: invalid(field.Invalid(spec.Child("type"), "x: y", "is unknown"))},
		{name: "a text of a Secret", secret: true, decided: true, final: true, want: "type: field is immutable",
			cause: invalid(field.Invalid(field.NewPath("type"), "hidden", "field is immutable"))},
		{name: "a long text", decided: true, final: true, want: "spec.type: is unknown",
			cause: invalid(field.Invalid(spec.Child("type"), strings.Repeat("x", 100), "is unknown"))},
		{name: "two fields", decided: true, final: true, want: "spec.a: Required value, spec.b: Forbidden: may not be set",
			cause: invalid(field.Required(spec.Child("a"), ""), field.Forbidden(spec.Child("b"), "may not be set"))},
		{name: "a policy", cause: policy, decided: true, want: policy.Error()},
		{
			name: "a quota", decided: true, want: "exceeded quota",
			cause: status(http.StatusForbidden, metav1.StatusReasonForbidden, "exceeded quota"),
		},
		{
			name: "the user is unknown", want: "who", cause: status(http.StatusUnauthorized, metav1.StatusReasonUnauthorized, "who"),
		},
		{
			name: "too many requests", want: "later",
			cause: status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests, "later"),
		},
		{
			name: "a webhook that is away", want: "failed calling webhook",
			cause: status(http.StatusInternalServerError, metav1.StatusReasonInternalError, "failed calling webhook"),
		},
		{name: "no answer", want: "refused", cause: errors.New("refused")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &ObjectError{Object: "Deployment apps/web", Secret: tt.secret, Cause: tt.cause}
			if r.Decided() != tt.decided || r.Final() != tt.final {
				t.Errorf("decided %t, final %t", r.Decided(), r.Final())
			}
			if got, want := r.Error(), "Deployment apps/web: "+tt.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestUnquoteOfAnUnknownForm(t *testing.T) {
	t.Parallel()
	if got := unquote(`Invalid value: v1.Secret{Data: "hidden: secret"}: field is immutable`,
		false); got != "field is immutable" {
		t.Errorf("got %q", got)
	}
}

func TestRejectedErrorNamesAFew(t *testing.T) {
	t.Parallel()
	e := &InvalidObjectsError{Objects: []string{"a", "b", "c", "d"}, Of: 9}
	if got, want := e.Error(), "the API server would refuse 4 of 9 objects: a; b; c; and 1 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
