package ssa

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// maxRefusal bounds what is reported of one object that is refused, maxQuoted the value in it that is wrong.
	maxRefusal = 512
	maxQuoted  = 64
	// maxNamed is how many objects are named.
	maxNamed = 3
)

// InvalidObjectsError says which objects of a revision the API server would refuse. Nothing of the revision was
// written.
type InvalidObjectsError struct {
	// Objects that would be refused, and why: "Deployment apps/web: spec.selector: field is immutable". No value of a
	// Secret is in it.
	Objects []string
	// ApplyBody is how many objects the revision has.
	Of int
	// Final is set when the same objects can never be written, unset when a policy, a quota or a right is in the way.
	Final bool

	causes []error
}

// Error implements error.
func (e *InvalidObjectsError) Error() string {
	named := e.Objects
	more := ""
	if len(named) > maxNamed {
		named = named[:maxNamed]
		more = fmt.Sprintf("; and %d more", len(e.Objects)-maxNamed)
	}
	return fmt.Sprintf("the API server would refuse %d of %d objects: %s", len(e.Objects), e.Of,
		strings.Join(named, "; ")+more)
}

// Unwrap returns what the API server said.
func (e *InvalidObjectsError) Unwrap() []error { return e.causes }

// Add adds the refusal of one object.
func (e *InvalidObjectsError) Add(refused *ObjectError) {
	e.Objects = append(e.Objects, refused.Error())
	e.causes = append(e.causes, refused.Cause)
}

// ObjectError is the answer to a write of one object.
type ObjectError struct {
	// Object is its kind and name.
	Object string
	// Secret is set when the object is a Secret, of which no value may be shown.
	Secret bool
	// Cause is what the API server said.
	Cause error
	// Words say what is wrong, without values; empty to word the cause.
	Words string
	// Hint is what would help; empty when that is not known.
	Hint string
}

// Error implements error.
func (r *ObjectError) Error() string {
	text := r.Object + ": " + shortened(r.why(), maxRefusal)
	if r.Hint != "" {
		text += " (" + r.Hint + ")"
	}
	return text
}

// Unwrap returns what the API server said.
func (r *ObjectError) Unwrap() error { return r.Cause }

// Decided reports whether the API server has looked at the object and does not want it.
func (r *ObjectError) Decided() bool {
	var status apierrors.APIStatus
	if !errors.As(r.Cause, &status) {
		return false
	}

	switch code := status.Status().Code; code {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
}

// Final reports whether the object itself is wrong. Policies answer with the same code, but they name no field.
func (r *ObjectError) Final() bool { return apierrors.IsInvalid(r.Cause) && len(fieldsOf(r.Cause)) > 0 }

// why words the refusal, with the fields that are wrong where the API server names them.
func (r *ObjectError) why() string {
	if r.Words != "" {
		return r.Words
	}
	if fields := fieldsOf(r.Cause); apierrors.IsInvalid(r.Cause) && len(fields) > 0 {
		return fieldWords(fields, r.Secret)
	}
	return words(r.Cause, r.Secret)
}

// invalidText is how the API server begins to say what is wrong with a value, which it then quotes.
const invalidText = "Invalid value: "

// unquote leaves out the value that the API server quotes, unless it is short and no secret.
func unquote(message string, secret bool) string {
	quoted, is := strings.CutPrefix(message, invalidText)
	if !is {
		return message
	}

	end, scalar := quotation(quoted)
	detail, separated := strings.CutPrefix(quoted[end:], ": ")
	switch {
	case end == 0 || !separated:
		return strings.TrimSpace(quoted[strings.LastIndex(quoted, ":")+1:]) // it is not known where the value ends
	case !scalar || secret || end > maxQuoted:
		return detail
	default:
		return message
	}
}

// quotation returns where the value ends that a text begins with, 0 when that is not known, and whether it has no
// parts.
func quotation(text string) (end int, scalar bool) {
	if prefix, err := strconv.QuotedPrefix(text); err == nil {
		return len(prefix), true
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return 0, false
	}
	return int(decoder.InputOffset()), value[0] != '{' && value[0] != '['
}

// shortened cuts a text between two characters.
func shortened(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
