package check

import (
	"errors"
	"fmt"
	"testing"

	"fairlead.dev/fairlead/sources"
)

// recorder is a test that notes whether it failed and continues.
type recorder struct {
	testing.TB

	failed int
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(string, ...any) { r.failed++ }

func (r *recorder) Fatalf(string, ...any) { r.failed++ }

func TestFailure(t *testing.T) {
	t.Parallel()
	known := sources.Fail("Refused", nil, "the host says no")
	tests := []struct {
		name   string
		err    error
		says   string
		failed int
	}{
		{"the error itself", known, "says no", 0},
		{"a wrapped error", fmt.Errorf("fetching: %w", known), "fetching", 0},
		{"another text", known, "says yes", 1},
		{"another reason", sources.Fail("Gone", nil, "says no"), "says no", 1},
		{"another error", errors.New("says no"), "says no", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			Failure(r, tt.err, "Refused", tt.says)
			if r.failed != tt.failed {
				t.Errorf("it failed %d times, want %d", r.failed, tt.failed)
			}
		})
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	asked := 0
	Until(t, "the third question", func() bool {
		asked++
		return asked == 3
	})
	if asked != 3 {
		t.Errorf("%d questions", asked)
	}
}
