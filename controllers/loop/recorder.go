package loop

import (
	"log/slog"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// EventRecorder records what happens to objects of one kind as events, and logs it.
type EventRecorder struct {
	Events events.EventRecorder
	// Kind of the objects, and the action of events that have none of their own.
	Kind   string
	Action string
}

// Emit records an event and logs it, a failure as Failed does. details are keys and values for the log.
func (t EventRecorder) Emit(object client.Object, event status.Event, details ...any) {
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}

	var related runtime.Object
	if event.Related != nil {
		related = event.Related
	}

	t.Events.Eventf(object, related, kind, event.Reason, event.As(t.Action).Action, "%s", event.Note())
	logEvent(ctrl.Log, t.Kind, object, event, details...)
}

// logName names an object in the log, in the form of controller-runtime.
type logName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// logEvent logs an event in the length that the events API takes.
func logEvent(logger logr.Logger, kind string, object client.Object, event status.Event, details ...any) {
	name := logName{Name: object.GetName(), Namespace: object.GetNamespace()}
	logger = logger.WithValues(kind, name, "reason", event.Reason)
	if event.Warning && !event.Advice && !waits(event.Reason) {
		Failed(logger, object, event.Note(), details...)
		return
	}
	logger.Info(event.Note(), details...)
}

// Failed logs a failure of an object: at level ERROR when the object is Stalled, so that a user has to do something,
// and at level WARN when the controller tries again by itself.
func Failed(logger logr.Logger, object client.Object, message string, details ...any) {
	if conditioned, is := object.(v1beta1.Conditioned); is && status.IsStalled(conditioned) {
		logger.Error(nil, message, details...)
		return
	}
	// A logr.Logger has no level between INFO and ERROR; its handler has.
	slog.New(logr.ToSlogHandler(logger)).Warn(message, details...)
}

// waits reports whether an object only waits for another one, which reports its failure itself.
func waits(reason string) bool {
	switch reason {
	case v1beta1.DependencyNotReadyReason, v1beta1.SourceNotReadyReason, v1beta1.PendingReleaseReason,
		v1beta1.AdoptionHeldReason, v1beta1.AwaitingApprovalReason, v1beta1.SyncWindowClosedReason:
		return true
	default:
		return false
	}
}
