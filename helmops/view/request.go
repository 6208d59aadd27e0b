package view

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
)

// RequestError is a request to the API server that failed. It says what was asked, which the server's own answer often
// does not, so that the printer can name the right that is missing.
type RequestError struct {
	// Verb of the request, as in a role: get, list, watch, patch.
	Verb string
	// Resource in plural, without its group.
	Resource string
	// Namespace of the request, empty for all namespaces.
	Namespace string
	// Name of the object, empty for a list.
	Name string
	Err  error
}

// Error implements error.
func (e *RequestError) Error() string { return e.Request() + ": " + e.Err.Error() }

// Unwrap gives the answer of the server.
func (e *RequestError) Unwrap() error { return e.Err }

// Request says what was asked, for example: list helmreleases in namespace web.
func (e *RequestError) Request() string {
	var b strings.Builder
	b.WriteString(e.Verb + " " + e.Resource)
	if e.Name != "" {
		b.WriteString(" " + e.Name)
	}

	switch {
	case e.OfCluster():
	case e.Namespace == "":
		b.WriteString(" in all namespaces")
	default:
		b.WriteString(" in namespace " + e.Namespace)
	}

	return b.String()
}

// OfCluster reports whether the resource has no namespaces.
func (e *RequestError) OfCluster() bool { return e.Resource == "releasefreezes" }

// ResourceOf returns the resource of a kind, as roles name it: helmreleases for HelmRelease.
func ResourceOf(kind string) string {
	plural, _ := meta.UnsafeGuessKindToResource(v1beta1.GroupVersion.WithKind(kind))
	return plural.Resource
}

// CancelHandled returns the newest request to cancel a step that the controller has handled; empty when there was none,
// or when the kind has no steps to cancel.
func CancelHandled(o Object) string {
	switch o := o.(type) {
	case *v1beta1.HelmRelease:
		return o.Status.LastHandledCancelAt
	case *v1beta1.Kustomization:
		return o.Status.LastHandledCancelAt
	default:
		return ""
	}
}
