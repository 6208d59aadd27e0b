package loop

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// Failures are logged as warnings, as errors where a user has to do something, and everything with the object and the
// reason.
func TestEventsAreLogged(t *testing.T) {
	t.Parallel()
	stalled := release()
	status.Stalled(stalled, v1beta1.SchemaFailedReason, "wrong values", time.Time{})
	tests := []struct {
		name   string
		object *v1beta1.HelmRelease
		event  status.Event
		want   string
	}{
		{"a failure that is tried again", release(),
			status.Event{Warning: true, Reason: v1beta1.FetchFailedReason, Message: "connection refused"},
			`"level":"WARN","msg":"connection refused","HelmRelease":{"name":"web","namespace":"apps"},"reason":"FetchFailed","took":"3s"`},
		{"a failure that needs a user", stalled,
			status.Event{Warning: true, Reason: v1beta1.SchemaFailedReason, Message: "wrong values"},
			`"level":"ERROR","msg":"wrong values","HelmRelease":{"name":"web","namespace":"apps"},"reason":"ValuesSchemaFailed","took":"3s"`},
		{"a success", release(), status.Event{Reason: v1beta1.SucceededReason, Message: "fetched"},
			`"level":"INFO","msg":"fetched","HelmRelease":{"name":"web","namespace":"apps"},"reason":"Succeeded","took":"3s"`},
		{"one that waits", release(),
			status.Event{Warning: true, Reason: v1beta1.DependencyNotReadyReason, Message: "1 of 1 dependencies not ready"},
			`"level":"INFO","msg":"1 of 1 dependencies not ready","HelmRelease":{"name":"web","namespace":"apps"},` +
				`"reason":"DependencyNotReady","took":"3s"`},
		{"advice", release(),
			status.Event{Warning: true, Advice: true, Reason: v1beta1.WarningReceivedReason, Message: "it is old"},
			`"level":"INFO","msg":"it is old","HelmRelease":{"name":"web","namespace":"apps"},` +
				`"reason":"WarningReceived","took":"3s"`},
	}
	for _, tt := range tests {
		var lines bytes.Buffer
		handler := slog.NewJSONHandler(&lines, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})
		logEvent(logr.FromSlogHandler(handler), v1beta1.HelmReleaseKind, tt.object, tt.event, "took", "3s")
		if got := lines.String(); got != "{"+tt.want+"}\n" {
			t.Errorf("%s is logged as\n%s\nwant\n{%s}", tt.name, got, tt.want)
		}
	}
}

// The logger of controller-runtime passes warnings on.
func TestWarningsPassTheDelegatingLogger(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	logger := log.Log
	log.SetLogger(logr.FromSlogHandler(slog.NewJSONHandler(&lines, nil)))
	logEvent(logger, v1beta1.HelmReleaseKind, release(),
		status.Event{Warning: true, Reason: v1beta1.FetchFailedReason, Message: "refused"})
	if !strings.Contains(lines.String(), `"level":"WARN","msg":"refused"`) {
		t.Errorf("logged is %s", lines.String())
	}
}

func TestTellRecordsAnEvent(t *testing.T) {
	t.Parallel()
	recorder := events.NewFakeRecorder(1)
	teller := EventRecorder{Events: recorder, Kind: v1beta1.HelmReleaseKind, Action: "Reconcile"}
	teller.Emit(release(),
		status.Event{Warning: true, Reason: v1beta1.UpgradeFailedReason, Message: strings.Repeat("x", 5000)})
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
	teller := EventRecorder{Events: recorder, Kind: v1beta1.HelmReleaseKind, Action: status.ActionReconcile}
	teller.Emit(release(), status.Event{Reason: v1beta1.UpgradeSucceededReason, Action: "Upgrade"})
	teller.Emit(release(), status.Event{Reason: v1beta1.DependencyNotReadyReason})
	if want := []string{"Upgrade", "Reconcile"}; !slices.Equal(recorder.seen, want) {
		t.Errorf("the actions are %v, want %v", recorder.seen, want)
	}
}
