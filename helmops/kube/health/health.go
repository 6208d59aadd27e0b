// Package health tells from an object alone whether it has reached the state it asks for. It is pure.
package health

import (
	"cmp"
	"slices"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// State of an object.
type State string

// States, from good to bad.
const (
	// Current: the object is what it asks to be.
	Current State = "Current"
	// InProgress: it is on the way.
	InProgress State = "InProgress"
	// Failed: it will not get there by itself.
	Failed State = "Failed"
)

// Report is the health of one object.
type Report struct {
	State State
	// Message says what is missing, empty for Current. It is made of numbers, names, conditions and their reasons: it
	// holds no free text from the status of the object.
	Message string
	// Quote is such a text: the message of a condition, for example. It may hold a secret, so that it has to be masked
	// before it is shown. Empty when the object says nothing more.
	Quote string
	// Serving is set when the object does its work although it is not Current: at least half of what it wants is
	// available.
	Serving bool
	// Unobserved is set when the object is InProgress and its controller has not yet reported on its newest generation.
	// Only workloads count as unobserved without an observedGeneration in their status.
	Unobserved bool
}

// Full returns the message with what the object says itself. Who shows it masks it, or has read the object with the
// rights of the caller.
func (r Report) Full() string {
	switch {
	case r.Quote == "":
		return r.Message
	case r.Message == "":
		return r.Quote
	default:
		return r.Message + ": " + r.Quote
	}
}

// Assess judges an object by the rules of kstatus. With jobs, a Job counts as Current only once it has completed;
// otherwise it is enough that it was started.
func Assess(object *unstructured.Unstructured, jobs bool) Report {
	if jobs && isJob(object) {
		return assessJob(object)
	}

	result, err := status.Compute(object)
	if err != nil {
		return Report{State: InProgress, Message: "its status cannot be read", Quote: err.Error()}
	}

	message, quote := withoutQuote(object, result.Message)
	switch result.Status {
	case status.CurrentStatus:
		return Report{State: Current}
	case status.FailedStatus:
		return Report{State: Failed, Message: message, Quote: quote}
	default:
		return Report{
			State: InProgress, Message: message, Quote: quote,
			Serving: isServing(object), Unobserved: isUnobserved(object),
		}
	}
}

// isUnobserved reports whether the status of an object is about an older generation. A new workload has none at all.
func isUnobserved(object *unstructured.Unstructured) bool {
	observed, has, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if has {
		return observed != object.GetGeneration()
	}
	return object.GetDeletionTimestamp() == nil && isWorkload(object)
}

// isWorkload reports whether the status of an object always has an observedGeneration once its controller has seen it.
func isWorkload(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	workloads := []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}
	return kind.Group == "apps" && slices.Contains(workloads, kind.Kind)
}

// isServing reports whether at least half of the pods that a workload wants are available, and one at least. A workload
// that is scaled, or moves between nodes, is no failure.
func isServing(object *unstructured.Unstructured) bool {
	group := object.GroupVersionKind().Group
	if group != "apps" || object.GetDeletionTimestamp() != nil {
		return false
	}

	var available int64
	wants := int64(1)
	switch object.GetKind() {
	case "Deployment", "StatefulSet", "ReplicaSet":
		if replicas, has, _ := unstructured.NestedInt64(object.Object, "spec", "replicas"); has {
			wants = replicas
		}
		available, _, _ = unstructured.NestedInt64(object.Object, "status", "availableReplicas")
	case "DaemonSet":
		wants, _, _ = unstructured.NestedInt64(object.Object, "status", "desiredNumberScheduled")
		available, _, _ = unstructured.NestedInt64(object.Object, "status", "numberAvailable")
	default:
		return false
	}

	return available >= 1 && 2*available >= wants
}

func isJob(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	return kind.Group == "batch" && kind.Kind == "Job"
}

func assessJob(object *unstructured.Unstructured) Report {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, entry := range conditions {
		condition, ok := entry.(map[string]any)
		if !ok || condition["status"] != "True" {
			continue
		}

		switch condition["type"] {
		case "Complete":
			return Report{State: Current}
		case "Failed":
			quote, _ := condition["message"].(string)
			return Report{State: Failed, Message: cmp.Or(reasonOf(condition), "the Job has failed"), Quote: quote}
		}
	}

	return Report{State: InProgress, Message: "Job has not completed"}
}
