package health

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reason is what the API conventions want a reason to look like. Anything else is a text, and so is a reason longer
// than maxReason bytes.
var reason = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

const maxReason = 64

// decisive are the conditions by which kstatus judges an object without rules for its kind, each with the statuses at
// which the object is not Current. kstatus takes the first type that has such a status, and gives the message of the
// condition as its own.
var decisive = []struct {
	conditionType string
	statuses      []string
}{
	{"Reconciling", []string{"True"}},
	{"Stalled", []string{"True"}},
	{"NamesAccepted", []string{"False"}},
	{"Established", []string{"False"}},
	{"Ready", []string{"False", "Unknown"}},
}

// withoutQuote splits what kstatus says of an object into what kstatus has worded itself, and what it repeats of a condition.
// The latter is replaced by the type, status and reason of the condition.
func withoutQuote(object *unstructured.Unstructured, text string) (message, quote string) {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	if text != "" && !repeats(conditions, text) {
		return text, ""
	}

	for _, d := range decisive {
		for _, status := range d.statuses {
			if condition := find(conditions, d.conditionType, status); condition != nil {
				return describe(condition), text
			}
		}
	}

	return "it is not ready", text
}

// repeats reports whether a text holds the message of a condition.
func repeats(conditions []any, text string) bool {
	for _, entry := range conditions {
		condition, _ := entry.(map[string]any)
		if message, _ := condition["message"].(string); message != "" && strings.Contains(text, message) {
			return true
		}
	}
	return false
}

func find(conditions []any, conditionType, status string) map[string]any {
	for _, entry := range conditions {
		condition, _ := entry.(map[string]any)
		if condition["type"] == conditionType && condition["status"] == status {
			return condition
		}
	}
	return nil
}

// describe names a condition of a known type and status. Its message is left out.
func describe(condition map[string]any) string {
	text := "condition " + condition["type"].(string) + " is " + condition["status"].(string)
	if why := reasonOf(condition); why != "" {
		text += ", reason " + why
	}
	return text
}

// reasonOf returns the reason of a condition; empty when it has none, or a text in its place.
func reasonOf(condition map[string]any) string {
	why, _ := condition["reason"].(string)
	if len(why) > maxReason || !reason.MatchString(why) {
		return ""
	}
	return why
}
