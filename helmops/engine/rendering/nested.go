package rendering

import (
	"fmt"
	"regexp"
)

// call is what stands between two templates, the first of which calls the second, in an error of Go's templates.
var call = regexp.MustCompile(`: error calling (?:include|tpl)(?:: error during tpl function execution for ` +
	`"(?:[^"\\]|\\.)*")?: template: `)

// nestedError is an error of templates that call each other, with the first and the last of them only: an endless
// recursion has a thousand.
type nestedError struct{ error }

// Error implements error.
func (e *nestedError) Error() string { return withoutMiddle(e.error.Error()) }

// Unwrap returns the cause.
func (e *nestedError) Unwrap() error { return e.error }

// withoutMiddle leaves out all templates but the first and the last, and says how many there are.
func withoutMiddle(text string) string {
	calls := call.FindAllStringIndex(text, -1)
	if len(calls) < 2 {
		return text
	}
	first := calls[0]
	last := calls[len(calls)-1]
	return fmt.Sprintf("%s: error calling further templates, %d deep: template: %s", text[:first[0]], len(calls),
		text[last[1]:])
}
