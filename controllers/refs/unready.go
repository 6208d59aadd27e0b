package refs

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// How much of dependencies that are not ready a message holds: how many it names, and how many characters it has for
// the cause of each and for the message of an object's own condition.
const (
	maxNamed  = 5
	maxCause  = 350
	maxQuoted = 160
)

// inProgress is the cause of an object whose work is under way.
const inProgress = "in progress"

// unready collects the dependencies of an object that are not ready.
type unready struct {
	of    int
	count int
	named []string
	// after is the earliest time to look again although no event came; zero is the interval of the object.
	after time.Duration
}

// add takes the obstacle that a dependency is.
func (u *unready) add(name string, o *ObstacleError) {
	u.count++
	if o.After > 0 && (u.after == 0 || o.After < u.after) {
		u.after = o.After
	}
	if len(u.named) < maxNamed {
		u.named = append(u.named, name+" ("+shortened(o.Message, maxCause)+")")
	}
}

// err returns the obstacle that all of them are together, nil when every dependency is ready.
func (u *unready) err() error {
	if u.count == 0 {
		return nil
	}

	message := fmt.Sprintf("%d of %d dependencies not ready: %s", u.count, u.of, strings.Join(u.named, ", "))
	if more := u.count - len(u.named); more > 0 {
		message += fmt.Sprintf(" and %d more", more)
	}

	return &ObstacleError{
		Failure: status.Failure{Reason: v1beta1.DependencyNotReadyReason, Message: message},
		After:   u.after,
	}
}

// causeOf explains in few words why an object of the own kind is not ready, empty when it is. What failed is quoted
// only to dependents in its namespace; others learn the reason.
func causeOf(object v1beta1.Conditioned, quoted bool) string {
	ready := meta.FindStatusCondition(object.GetConditions(), v1beta1.ReadyCondition)
	switch {
	case status.IsReady(object):
		return ""
	case isSuspended(object):
		return "suspended"
	case ready == nil || ready.Status != metav1.ConditionFalse || ready.ObservedGeneration != object.GetGeneration():
		return inProgress
	case ready.Reason == v1beta1.DependencyNotReadyReason:
		return "waits for its own dependencies"
	case ready.Reason == v1beta1.DependencyCycleReason:
		return "in a dependency cycle"
	}

	failure := ""
	if quoted {
		failure = failureOf(object, ready)
	}
	if failure == "" {
		return ready.Reason
	}

	return shortened(ready.Reason+": "+failure, maxQuoted)
}

// failureOf returns what failed of an object that is not ready, in a text that stays the same when the next attempt
// fails alike; empty when there is none. The message of the condition names the time of the next attempt while the
// object retries: a dependent that quoted it would report each attempt.
func failureOf(object v1beta1.Conditioned, ready *metav1.Condition) string {
	failures := int64(0)
	switch o := object.(type) {
	case *v1beta1.HelmRelease:
		if last := o.Status.LastFailure; last != nil && last.Reason == ready.Reason {
			return last.Message
		}
		failures = o.Status.Failures
	case *v1beta1.Kustomization:
		failures = o.Status.Failures
	}

	if failures > 0 && !status.IsStalled(object) {
		return ""
	}

	return ready.Message
}

// shortened returns at most limit characters of a text, and ends it behind a word where one ends in the second half.
func shortened(text string, limit int) string {
	characters := []rune(text)
	if len(characters) <= limit {
		return text
	}

	kept := string(characters[:limit-1])
	if characters[limit-1] == ' ' {
		return kept + "…"
	}
	if at := strings.LastIndexByte(kept, ' '); at >= len(kept)/2 {
		kept = kept[:at]
	}

	return kept + "…"
}
