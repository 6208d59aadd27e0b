package refs

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestFreed(t *testing.T) {
	t.Parallel()
	if !Freed().Create(event.CreateEvent{Object: helmRelease("b")}) ||
		!Freed().Delete(event.DeleteEvent{Object: helmRelease("b")}) {
		t.Error("dependents are not woken when an object comes or goes")
	}
	progressing := func(hr *v1beta1.HelmRelease) { status.Progressing(hr, "installing", now) }
	further := func(hr *v1beta1.HelmRelease) { status.Progressing(hr, "waiting for Deployment apps/b", now) }
	tests := []struct {
		name     string
		old, new *v1beta1.HelmRelease
		want     bool
	}{
		{"it became ready", helmRelease("b"), helmRelease("b", ready), true},
		{"it is ready no more", helmRelease("b", ready), helmRelease("b", failing("broken")), true},
		{"it is still ready", helmRelease("b", ready), helmRelease("b", ready), false},
		{"it is further with its work", helmRelease("b", progressing), helmRelease("b", further), false},
		{"an attempt begins after a failure", helmRelease("b", failing("broken")), helmRelease("b", progressing), false},
		{"the attempt fails", helmRelease("b", progressing), helmRelease("b", failing("broken")), true},
		{"it fails for another cause", helmRelease("b", failing("broken")), helmRelease("b", failing("refused")), true},
		{
			"it fails again", helmRelease("b", failedUpgrade("broken", "14:00")),
			helmRelease("b", failedUpgrade("broken", "14:05")), false,
		},
		{"it is found to be part of a cycle", helmRelease("b", waiting), helmRelease("b", circular), true},
		{"it depends on another object", helmRelease("b", dependingOn("c")), helmRelease("b", dependingOn("a")), true},
		{"it depends on nothing any more", helmRelease("b", circular, dependingOn("a")), helmRelease("b", circular), true},
	}
	for _, tt := range tests {
		if got := Freed().Update(event.UpdateEvent{ObjectOld: tt.old, ObjectNew: tt.new}); got != tt.want {
			t.Errorf("%s: dependents are woken: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What a dependent quotes stays the same when the next attempt of the object fails alike; the message of its condition
// does not.
func TestCauseIsStable(t *testing.T) {
	t.Parallel()
	kustomization := func(set func(v1beta1.Conditioned, string, string, time.Time),
		message string) *v1beta1.Kustomization {
		k := &v1beta1.Kustomization{}
		k.Status.Failures = 1
		set(k, v1beta1.ApplyFailedReason, message, now)
		return k
	}
	unlocking := func(hr *v1beta1.HelmRelease) {
		status.Retrying(hr, v1beta1.PendingReleaseReason, "unlocking failed; the controller retries 14:00", now)
	}
	tests := []struct {
		name   string
		object v1beta1.Conditioned
		want   string
	}{
		{"a release that retries", helmRelease("b", failedUpgrade("a; b; c", "14:00")), "UpgradeFailed: a; b; c"},
		{
			"a release that failed for another reason before", helmRelease("b", failedUpgrade("broken", "14:00"), unlocking),
			"PendingRelease",
		},
		{
			"a release that has tried nothing", helmRelease("b", failing("no chart; the controller waits")),
			"UpgradeFailed: no chart; the controller waits",
		},
		{
			"a Kustomization that retries", kustomization(status.Retrying, "web is refused; the controller retries 14:00"),
			"ApplyFailed",
		},
		{
			"a Kustomization that stalls", kustomization(status.Stalled, "web is refused; change it"),
			"ApplyFailed: web is refused; change it",
		},
		{"a condition without a message", helmRelease("b", failing("")), "UpgradeFailed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := causeOf(tt.object, true); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestShortenedEndsBehindAWord(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"short enough", "short enough"},
		{"the object is refused", "the object…"},
		{"the objects are refused", "the objects…"},
		{"a very-long-word-without-a-break", "a very-long…"},
	}
	for _, tt := range tests {
		if got := shortened(tt.text, 12); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// What objects say is long at worst; what a dependent says of them is not.
func TestUnreadyIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 10_000)
	if got := causeOf(helmRelease("b", failing(long)), true); len([]rune(got)) != maxQuoted ||
		!strings.HasSuffix(got, "…") {
		t.Errorf("%d characters are quoted", len([]rune(got)))
	}
	all := unready{of: 200}
	for range 200 {
		all.add("b", &ObstacleError{Failure: status.Failure{Message: long}})
	}
	if got := len([]rune(all.err().Error())); got > 2000 {
		t.Errorf("the message has %d characters", got)
	}
}
