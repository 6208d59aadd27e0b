// Package status turns what was found and done into what an object says of itself: conditions, counters, history and
// events. It is the only writer of conditions. It is pure; the time is a parameter.
package status

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxMessage bounds a condition's message; the API allows 32768 characters, which are too many to read.
const maxMessage = 2048

// Event is worth telling once: something has happened.
type Event struct {
	// Warning is set when it is bad news, Advice when nothing has failed although it is.
	Warning, Advice bool
	Reason          string
	Message         string
	// Action is what the controller did; that of the kind of the object when empty.
	Action string
	// Related is another object that the event is about; nil for none. Events of the same reason about different
	// related objects stay apart; others within minutes are counted as one.
	Related *corev1.ObjectReference
}

// maxNote is how long an event's note may be by the events API; a longer one is refused.
const maxNote = 1024

// Note returns the message in a length that the events API takes.
func (e Event) Note() string { return cut(e.Message, maxNote) }

// Later says when something follows that is due after the given time: how much later, and the moment, which is still
// true when the message is read.
func Later(after time.Duration, now time.Time) string {
	return fmt.Sprintf("%s later, at %s", after, now.Add(after).UTC().Format(time.RFC3339))
}

// cut shortens a text to at most limit bytes, without tearing a character apart. It leaves out the middle: a message
// begins with the object and ends with the cause and what happens next, and what makes it long is a value that is
// quoted in between.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	kept := limit - len("…")
	head := text[:kept-kept/2]
	tail := text[len(text)-kept/2:]
	return strings.ToValidUTF8(head, "") + "…" + strings.ToValidUTF8(tail, "")
}

// Ready says that the object is what it asks to be.
func Ready(object v1beta1.Conditioned, reason, message string, now time.Time) {
	current(object, now).ready(reason, message)
}

// Progressing says that work is under way that will make the object ready.
func Progressing(object v1beta1.Conditioned, message string, now time.Time) {
	current(object, now).progressing(message)
}

// Retrying says that the object is not ready, why, and that this will be tried again without help.
func Retrying(object v1beta1.Conditioned, reason, message string, now time.Time) {
	current(object, now).retrying(reason, message)
}

// Stalled says that the object is not ready and that only a change of it, or of what it names, can help.
func Stalled(object v1beta1.Conditioned, reason, message string, now time.Time) {
	current(object, now).stalled(reason, message)
}

// IsReady reports whether the object is Ready at its current generation.
func IsReady(object v1beta1.Conditioned) bool {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == object.GetGeneration()
}

// IsStalled reports whether the object waits for a change of its spec or source.
func IsStalled(object v1beta1.Conditioned) bool {
	return meta.IsStatusConditionTrue(object.GetConditions(), v1beta1.StalledCondition)
}

// IsHeld reports whether a user asked for the revision that runs: the object is not Ready, and that is no failure.
func IsHeld(object v1beta1.Conditioned) bool {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason == v1beta1.RolledBackReason
}

// Message returns the message of the Ready condition.
func Message(object v1beta1.Conditioned) string {
	if ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition); ready != nil {
		return ready.Message
	}
	return ""
}

// writer sets the conditions of one object at one time.
type writer struct {
	object v1beta1.Conditioned
	// generation that the conditions are about; it is older than the object's when what is reported was begun before
	// a change.
	generation int64
	now        time.Time
}

func current(object v1beta1.Conditioned, now time.Time) writer {
	return writer{object: object, generation: object.GetGeneration(), now: now}
}

func (w writer) ready(reason, message string) {
	w.set(v1beta1.ReadyCondition, metav1.ConditionTrue, reason, message)
	w.unset(v1beta1.ReconcilingCondition)
	w.unset(v1beta1.StalledCondition)
}

func (w writer) progressing(message string) {
	w.set(v1beta1.ReadyCondition, metav1.ConditionUnknown, v1beta1.ProgressingReason, message)
	w.unset(v1beta1.StalledCondition)
	w.set(v1beta1.ReconcilingCondition, metav1.ConditionTrue, v1beta1.ProgressingReason, message)
}

// awaiting says that the object waits for a person, and that nothing is wrong with what runs.
func (w writer) awaiting(reason, message string) {
	w.set(v1beta1.ReadyCondition, metav1.ConditionUnknown, reason, message)
	w.unset(v1beta1.StalledCondition)
	w.unset(v1beta1.ReconcilingCondition)
}

func (w writer) retrying(reason, message string) {
	w.set(v1beta1.ReadyCondition, metav1.ConditionFalse, reason, message)
	w.unset(v1beta1.StalledCondition)
	w.set(v1beta1.ReconcilingCondition, metav1.ConditionTrue, v1beta1.ProgressingWithRetryReason, message)
}

func (w writer) stalled(reason, message string) {
	w.set(v1beta1.ReadyCondition, metav1.ConditionFalse, reason, message)
	w.unset(v1beta1.ReconcilingCondition)
	w.set(v1beta1.StalledCondition, metav1.ConditionTrue, reason, message)
}

func (w writer) set(kind string, value metav1.ConditionStatus, reason, message string) {
	conditions := w.object.GetConditions()
	meta.SetStatusCondition(&conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: cut(message, maxMessage),
		ObservedGeneration: w.generation, LastTransitionTime: metav1.NewTime(w.now),
	})
	w.object.SetConditions(conditions)
}

func (w writer) unset(kind string) {
	conditions := w.object.GetConditions()
	meta.RemoveStatusCondition(&conditions, kind)
	w.object.SetConditions(conditions)
}

// failed says that something failed, and what happens next. It is the last that is recorded of an outcome.
func (w writer) failed(hr *v1beta1.HelmRelease, o Outcome, f Failure, message string) Event {
	if f.Final {
		message = joined(message, "it is tried again when the chart, the values or the spec change")
		w.stalled(f.Reason, message)
	} else {
		message = w.retryingNext(hr, o, f.Reason, message)
	}
	return Event{Warning: true, Reason: f.Reason, Message: message}
}

// retryingNext says that the release is not as wanted, and what happens next. That is decided by what is recorded by
// then, the reason among it. It returns the whole message.
func (w writer) retryingNext(hr *v1beta1.HelmRelease, o Outcome, reason, message string) string {
	w.retrying(reason, message)
	if o.Next == nil {
		return message
	}
	message = joined(message, o.Next(hr))
	w.retrying(reason, message)
	return message
}

func joined(message, next string) string {
	if next == "" {
		return message
	}
	return message + "; " + next
}
