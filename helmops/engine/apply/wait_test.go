package apply

import (
	"testing"
	"time"
)

func TestNotReadyErrorSaysWhatIsMissing(t *testing.T) {
	tests := []struct {
		name string
		err  NotReadyError
		want string
	}{
		{name: "an object that failed", err: NotReadyError{Objects: []string{"Job apps/a: too often"}, Of: 4}, want: "Job apps/a: too often"},
		{name: "no more time", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"Pod apps/a: x", "Pod apps/b: y"}, Of: 4},
			want: "2 of 4 objects not ready after 1m0s: Pod apps/a: x; Pod apps/b: y"},
		{name: "as many as are named", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c"}, Of: 3},
			want: "3 of 3 objects not ready after 1m0s: a; b; c"},
		{name: "more than are named", err: NotReadyError{TimedOut: true, Timeout: time.Minute, Objects: []string{"a", "b", "c", "d", "e"}, Of: 9},
			want: "5 of 9 objects not ready after 1m0s: a; b; c; and 2 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
