package refs

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestFreed(t *testing.T) {
	t.Parallel()
	if !Freed().Create(event.CreateEvent{Object: helmRelease("b")}) || !Freed().Delete(event.DeleteEvent{Object: helmRelease("b")}) {
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
		{"it fails again", helmRelease("b", failing("broken; next 14:00")), helmRelease("b", failing("broken; next 14:05")), false},
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

// What objects say is long at worst; what a dependent says of them is not.
func TestUnreadyIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 10_000)
	if got := causeOf(helmRelease("b", failing(long)), true); len([]rune(got)) != maxQuoted || !strings.HasSuffix(got, "…") {
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
