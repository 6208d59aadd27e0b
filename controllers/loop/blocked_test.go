package loop

import (
	"errors"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

type pendingError struct{ error }

func (pendingError) Pending() bool { return true }

type readingError struct {
	error
	took  time.Duration
	again bool
}

func (e readingError) Reading() (time.Duration, bool) { return e.took, e.again }

type obstacleError struct {
	error
	after time.Duration
}

func (e obstacleError) Obstacle() (status.Failure, time.Duration) {
	return status.Failure{Reason: v1beta1.AccessDeniedReason, Message: e.Error()}, e.after
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	plain := errors.New("no answer")
	for _, tt := range []struct {
		name string
		// says is the message that the object has before.
		says  string
		ready bool
		err   error
		again time.Duration
		// returned is set when the error is returned; message and event are what the object has and reports then.
		returned bool
		message  string
		event    bool
	}{
		{name: "another error", says: "before", err: plain, returned: true, message: "before"},
		{name: "an answer is on its way", says: "before", err: pendingError{plain}, message: "no answer"},
		{
			name: "an answer is on its way, and the object is ready", says: "before", ready: true, err: pendingError{plain},
			message: "before",
		},
		{
			name: "it is read for a moment", says: "before", err: readingError{plain, Slow / 4, false}, again: Slow * 3 / 4,
			message: "before",
		},
		{name: "it is read", says: "before", err: readingError{plain, Slow, false}, message: "no answer"},
		{name: "it is read again", says: "before", err: readingError{plain, Slow, true}, message: "before"},
		{name: "it is read again, and nothing is known", err: readingError{plain, Slow, true}, message: "no answer"},
		{name: "an obstacle", says: "before", err: fmt.Errorf("a: %w", obstacleError{plain, 0}), again: 11 * time.Minute,
			message: "no answer", event: true},
		{name: "an obstacle with a pause", says: "before", err: obstacleError{plain, time.Second}, again: time.Second,
			message: "no answer", event: true},
		{name: "an obstacle that was reported", says: "no answer", err: obstacleError{plain, time.Second}, again: time.Second,
			message: "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			recorder := events.NewFakeRecorder(2)
			hr := &v1beta1.HelmRelease{}
			hr.Name = "web"
			hr.Spec.Interval = &metav1.Duration{Duration: 10 * time.Minute}
			switch {
			case tt.ready:
				hr.SetConditions([]metav1.Condition{{Type: v1beta1.ReadyCondition, Status: metav1.ConditionTrue, Message: tt.says}})
			case tt.says != "":
				status.Retrying(hr, v1beta1.FetchFailedReason, tt.says, time.Now())
			}
			b := Blocker[*v1beta1.HelmRelease]{
				EventRecorder: EventRecorder{Events: recorder, Kind: v1beta1.HelmReleaseKind, Action: "Reconcile"},
				Now:           time.Now,
				Jitter: func(d time.Duration, maxFactor float64) time.Duration {
					return d + time.Duration(float64(d)*maxFactor)
				},
				Record: func(hr *v1beta1.HelmRelease, obstacle status.Failure, now time.Time) {
					status.Retrying(hr, obstacle.Reason, obstacle.Message, now)
				},
			}
			again, err := b.Blocked(hr, tt.err)
			if (err != nil) != tt.returned || err != nil && !errors.Is(err, plain) {
				t.Errorf("returned %v", err)
			}
			if again != tt.again {
				t.Errorf("looks again after %s, want %s", again, tt.again)
			}
			if got := status.Message(hr); got != tt.message {
				t.Errorf("says %q, want %q", got, tt.message)
			}
			if (len(recorder.Events) > 0) != tt.event {
				t.Errorf("%d events", len(recorder.Events))
			}
		})
	}
}

func TestSoonest(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]time.Duration]time.Duration{
		{0, 0}: 0, {0, 1}: 1, {1, 0}: 1, {1, 2}: 1, {2, 1}: 1,
	} {
		if got := Soonest(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
}

// Random lengthens by up to the factor, and not always by the same.
func TestRandomIsBounded(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for range 100 {
		got := Jitter(Random).Spread(time.Hour)
		if got < time.Hour || got > 66*time.Minute {
			t.Fatalf("an hour became %s", got)
		}
		seen[got] = true
	}
	if len(seen) < 2 {
		t.Error("it is always the same")
	}
}
