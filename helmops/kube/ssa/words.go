package ssa

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reworded is an error with another text.
type reworded struct {
	text  string
	cause error
}

// Error implements error.
func (e *reworded) Error() string { return e.text }

// Unwrap returns what the API server said.
func (e *reworded) Unwrap() error { return e.cause }

// Reworded returns an error of the API server, or of a library, whose text quotes no value that the API server or the
// library could not read. With secret, the object is a Secret, and nothing of it is quoted at all: the text is
// rebuilt from what is structured in the answer. The error unwraps to err; nil stays nil.
func Reworded(err error, secret bool) error {
	if err == nil {
		return nil
	}
	text := words(err, secret)
	if text == err.Error() {
		return err
	}
	return &reworded{text: text, cause: err}
}

// RewordedIn is Reworded for an object whose content is known: fields of a wrong type are named by their place in it.
func RewordedIn(err error, secret bool, content map[string]any) error {
	if faults := TypeFaults(err, content); len(faults) > 0 && (!secret || byField(err)) {
		return &reworded{text: faultWords(faults), cause: err}
	}
	return Reworded(err, secret)
}

// byField reports whether an error names the fields of an object one by one, and not only the type that holds them.
func byField(err error) bool { return typedHead.MatchString(err.Error()) }

// words are the text of an error without values.
func words(err error, secret bool) string {
	if faults := TypeFaults(err, nil); len(faults) > 0 && (!secret || byField(err)) {
		return faultWords(faults)
	}

	var answer apierrors.APIStatus
	switch isAnswer := errors.As(err, &answer); {
	case isAnswer && secret:
		return secretWords(answer.Status())
	case isAnswer && apierrors.IsInvalid(err) && len(fieldsOf(err)) > 0:
		return invalidWords(answer.Status(), fieldsOf(err), secret)
	default:
		return Scrub(err.Error())
	}
}

// fieldsOf are the fields that an answer of the API server names.
func fieldsOf(err error) []metav1.StatusCause {
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) || answer.Status().Details == nil {
		return nil
	}

	var fields []metav1.StatusCause
	for _, cause := range answer.Status().Details.Causes {
		if cause.Field != "" && cause.Field != "<nil>" {
			fields = append(fields, cause)
		}
	}

	return fields
}

// invalidWords name an object and the fields that are wrong with it, as the API server does.
func invalidWords(answer metav1.Status, fields []metav1.StatusCause, secret bool) string {
	kind := answer.Details.Kind
	if answer.Details.Group != "" {
		kind += "." + answer.Details.Group
	}
	return fmt.Sprintf("%s %q is invalid: %s", kind, answer.Details.Name, fieldWords(fields, secret))
}

func fieldWords(fields []metav1.StatusCause, secret bool) string {
	texts := make([]string, len(fields))
	for i, field := range fields {
		detail := unquote(firstLine(field.Message), secret)
		if secret {
			detail = plainDetail(detail, field.Type)
		}
		texts[i] = field.Field + ": " + detail
	}
	return strings.Join(texts, ", ")
}

// firstLine is what of a message stays: what follows are values, one below the other.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// plainDetails are what validation says in words of its own.
var plainDetails = regexp.MustCompile("^(Required value|Forbidden|Too long|Too many)?(: )?" +
	"(field is immutable( when `immutable` is set)?|may not be (set|changed)|may not be more than \\d+ bytes|" +
	"must have at most \\d+ (bytes|items)|must be no more than \\d+ (bytes|characters)|a valid config key must consist " +
	"of .*)?$")

// plainDetail keeps what validation says in words of its own, and names the kind of fault otherwise.
func plainDetail(detail string, kind metav1.CauseType) string {
	if detail != "" && plainDetails.MatchString(detail) {
		return detail
	}
	switch kind {
	case metav1.CauseTypeFieldValueRequired:
		return "Required value"
	case metav1.CauseTypeFieldValueNotSupported:
		return "Unsupported value"
	case metav1.CauseTypeFieldValueDuplicate:
		return "Duplicate value"
	case metav1.CauseTypeFieldManagerConflict:
		return "another field manager owns it"
	default:
		return "Invalid value"
	}
}

// safeTexts are what the API server says of a request that names its parts and quotes none of its content.
var safeTexts = []*regexp.Regexp{
	regexp.MustCompile(`User "[^"\n]*" cannot \w+ resource "[^"\n]*" in API group "[^"\n]*"( in the namespace ` +
		`"[^"\n]*"| at the cluster scope)?`),
	regexp.MustCompile(`exceeded quota: [\w.-]+, requested: [\w.,=/ -]+, used: [\w.,=/ -]+, limited: [\w.,=/ -]+`),
	regexp.MustCompile(`exceeded quota`),
	regexp.MustCompile(`admission webhook "[^"\n]*" denied the request`),
	regexp.MustCompile(`ValidatingAdmissionPolicy '[\w.-]*'( with binding '[\w.-]*')? denied request`),
	regexp.MustCompile(`failed calling webhook "[^"\n]*"`),
	regexp.MustCompile(`admission webhook "[^"\n]*" does not support dry run`),
	regexp.MustCompile(`^namespaces "[\w.-]*" not found$`),
	regexp.MustCompile(`^secrets "[\w.-]*" (not found|already exists)$`),
	regexp.MustCompile(`unable to create new content in namespace [\w.-]+ because it is being terminated`),
	regexp.MustCompile(`Apply failed with \d+ conflicts?`),
	regexp.MustCompile(`the object has been modified; please apply your changes to the latest version`),
	regexp.MustCompile(`metadata\.resourceVersion: Invalid value: 0x0: must be specified for an update`),
}

// unreadable are what the API server says of a Secret that it cannot read, each with what is said instead.
var unreadable = []struct {
	text  *regexp.Regexp
	words string
}{
	{regexp.MustCompile(`illegal base64 data`), "a value of data is not base64"},
	{regexp.MustCompile(`cannot unmarshal \w+ .*?Secret\.stringData`), "a value of stringData is not a text"},
	{regexp.MustCompile(`cannot unmarshal \w+ .*?Secret\.data`), "a value of data is not a text"},
	{
		regexp.MustCompile(`cannot unmarshal|error decoding|cannot be handled as a Secret|unable to convert`),
		"a field has a value of a wrong type",
	},
}

// secretWords word an answer about a Secret. What it says is taken over only where it is known to quote nothing.
func secretWords(answer metav1.Status) string {
	for _, text := range safeTexts {
		if found := text.FindString(answer.Message); found != "" {
			return found
		}
	}

	if typed := typedWords(answer.Message); typed != "" {
		return typed
	}

	for _, known := range unreadable {
		if known.text.MatchString(answer.Message) {
			return known.words
		}
	}

	if unknown := unknownField.FindString(answer.Message); unknown != "" {
		return unknown
	}
	if fields := fieldsOf(&apierrors.StatusError{ErrStatus: answer}); len(fields) > 0 {
		return fieldWords(fields, true)
	}

	return fmt.Sprintf("the API server answers %d (%s); its message is left out, because it may quote the Secret",
		answer.Code, answer.Reason)
}

var unknownField = regexp.MustCompile(`unknown field "[\w.\[\]-]*"`)
