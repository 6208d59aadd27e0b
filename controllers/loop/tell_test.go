package loop

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// Failures are logged as errors, and everything is logged with the object and the reason.
func TestEventsAreLogged(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		event status.Event
		want  string
	}{
		{"a failure", status.Event{Warning: true, Reason: v1beta1.FetchFailedReason, Message: "connection refused"},
			`"logger":"","msg":"connection refused","error":null,"HelmRelease":{"name":"web","namespace":"apps"},"reason":"FetchFailed","took":"3s"`},
		{"a success", status.Event{Reason: v1beta1.SucceededReason, Message: "fetched"},
			`"logger":"","level":0,"msg":"fetched","HelmRelease":{"name":"web","namespace":"apps"},"reason":"Succeeded","took":"3s"`},
		{"one that waits", status.Event{Warning: true, Reason: v1beta1.DependencyNotReadyReason, Message: "1 of 1 dependencies not ready"},
			`"logger":"","level":0,"msg":"1 of 1 dependencies not ready","HelmRelease":{"name":"web","namespace":"apps"},` +
				`"reason":"DependencyNotReady","took":"3s"`},
		{"advice",
			status.Event{Warning: true, Advice: true, Reason: v1beta1.WarningReceivedReason, Message: "it is old"},
			`"logger":"","level":0,"msg":"it is old","HelmRelease":{"name":"web","namespace":"apps"},` +
				`"reason":"WarningReceived","took":"3s"`},
	}
	for _, tt := range tests {
		var lines []string
		logger := funcr.NewJSON(func(line string) { lines = append(lines, line) }, funcr.Options{})
		logEvent(logger, v1beta1.HelmReleaseKind, release(), tt.event, "took", "3s")
		if got := strings.Join(lines, "\n"); got != "{"+tt.want+"}" {
			t.Errorf("%s is logged as\n%s\nwant\n{%s}", tt.name, got, tt.want)
		}
	}
}

func TestTellRecordsAnEvent(t *testing.T) {
	t.Parallel()
	recorder := events.NewFakeRecorder(1)
	teller := Teller{Events: recorder, Kind: v1beta1.HelmReleaseKind, Action: "Reconcile"}
	teller.Tell(release(), status.Event{Warning: true, Reason: v1beta1.UpgradeFailedReason, Message: strings.Repeat("x", 5000)})
	got := <-recorder.Events
	if !strings.HasPrefix(got, "Warning UpgradeFailed xxx") || len(got) > 1100 {
		t.Errorf("the event is %.80q, %d bytes", got, len(got))
	}
}

// actions keeps the actions of events.
type actions struct{ seen []string }

func (a *actions) Eventf(_, _ runtime.Object, _, _, action, _ string, _ ...any) {
	a.seen = append(a.seen, action)
}

// An event has the action that it names, and otherwise that of its kind.
func TestAnEventHasAnAction(t *testing.T) {
	t.Parallel()
	recorder := &actions{}
	teller := Teller{Events: recorder, Kind: v1beta1.HelmReleaseKind, Action: status.ActionReconcile}
	teller.Tell(release(), status.Event{Reason: v1beta1.UpgradeSucceededReason, Action: "Upgrade"})
	teller.Tell(release(), status.Event{Reason: v1beta1.DependencyNotReadyReason})
	if want := []string{"Upgrade", "Reconcile"}; !slices.Equal(recorder.seen, want) {
		t.Errorf("the actions are %v, want %v", recorder.seen, want)
	}
}
