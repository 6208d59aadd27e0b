package ssa

import (
	"errors"
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestExpires(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {ttlSecondsAfterFinished: 0}}`:    true,
		`{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {ttlSecondsAfterFinished: null}}`: false,
		`{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {}}`:                              false,
		`{apiVersion: x/v1, kind: Job, metadata: {name: a}, spec: {ttlSecondsAfterFinished: 0}}`:        false,
	} {
		if got := Expires(parsed(t, text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestJoinNamesTheFirstFew(t *testing.T) {
	t.Parallel()
	a, b := errors.New("a"), errors.New("b")
	if err := Join([]error{nil, nil}); err != nil {
		t.Errorf("nothing failed, got %v", err)
	}
	if err := Join([]error{nil, a}); err != a {
		t.Errorf("got %v", err)
	}
	err := Join([]error{a, nil, b, a, b, b})
	if err.Error() != "a; b; a; and 2 more" || !errors.Is(err, b) {
		t.Errorf("got %v", err)
	}
}

func TestJoinOfAPlainList(t *testing.T) {
	t.Parallel()
	if Join([]error{nil, nil}) != nil {
		t.Error("no error is an error")
	}
	if got := Join([]error{nil, errors.New("a")}).Error(); got != "a" {
		t.Error(got)
	}
	many := []error{errors.New("a"), errors.New("b"), nil, errors.New("c"), errors.New("d"), errors.New("e")}
	if got := Join(many).Error(); got != "a; b; c; and 2 more" {
		t.Error(got)
	}
}

// An error that the text does not name is found, too: the reason of the whole may depend on it.
func TestJoinUnwrapsToAll(t *testing.T) {
	t.Parallel()
	last := errors.New("last")
	err := fmt.Errorf("writing: %w", Join([]error{errors.New("a"), errors.New("b"), errors.New("c"), last}))
	if !errors.Is(err, last) {
		t.Errorf("%v lost a cause", err)
	}
}

func TestIsDryRunUnsupported(t *testing.T) {
	t.Parallel()
	const text = `admission webhook "a" does not support dry run`
	if !IsDryRunUnsupported(apierrors.NewBadRequest(text)) {
		t.Error("the answer of a webhook without dry run is not recognized")
	}
	if IsDryRunUnsupported(errors.New(text)) || IsDryRunUnsupported(apierrors.NewBadRequest("else")) ||
		IsDryRunUnsupported(nil) {
		t.Error("another error is taken for it")
	}
}
