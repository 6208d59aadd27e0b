// Package check holds assertions that the unit tests of several packages make. It is imported by tests only.
package check

import (
	"errors"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/sources"
)

// patience bounds Until.
const patience = 20 * time.Second

// Until waits until a condition holds. It ends the test when the condition, which what names, does not hold within 20s.
func Until(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("never: %s", what)
		}
	}
}

// Failure ends the test unless an error is, or wraps, a sources.Error with this reason, which it returns. The message has
// to contain each of the texts.
func Failure(tb testing.TB, err error, reason string, says ...string) *sources.Error {
	tb.Helper()
	var found *sources.Error
	if !errors.As(err, &found) || found.Reason() != reason {
		tb.Fatalf("got %v, want reason %s", err, reason)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			tb.Errorf("the message does not say %q: %s", text, err)
		}
	}
	return found
}
