package status

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/warning"
)

// maxWarned is how many objects have an event of their own.
const maxWarned = 10

// Warned are the events about objects that the API server took with warnings: one for each of the first few, and one
// that counts the others.
func Warned(objects []warning.Object) []Event {
	shown := objects[:min(len(objects), maxWarned)]
	events := make([]Event, 0, len(shown)+1)
	for _, object := range shown {
		events = append(events, Event{
			Warning: true, Advice: true, Reason: v1beta1.WarningReceivedReason, Related: &object.Ref,
			Message: "the API server warns of " + object.String(),
		})
	}

	if more := len(objects) - len(shown); more > 0 {
		message := fmt.Sprintf("the API server warns of %d more objects, the first of which is %s", more,
			objects[len(shown)].Name())
		events = append(events, Event{
			Warning: true, Advice: true, Reason: v1beta1.WarningReceivedReason, Message: message,
		})
	}

	return events
}
