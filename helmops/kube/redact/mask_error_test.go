package redact

import (
	"errors"
	"fmt"
	"testing"
)

func TestMaskOfErrors(t *testing.T) {
	t.Parallel()
	sentinel := errors.New("the password hunter2! is wrong")
	mask := NewMask("hunter2!")
	masked := mask.Error(fmt.Errorf("login: %w", sentinel))
	if got, want := masked.Error(), "login: the password *** is wrong"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(masked, sentinel) {
		t.Error("the cause is no longer known")
	}
	other := errors.New("no route")
	if mask.Error(other) != other || mask.Error(nil) != nil {
		t.Error("an error without secrets is replaced")
	}
}
