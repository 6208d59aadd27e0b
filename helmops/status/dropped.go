package status

import "fairlead.dev/fairlead/api/v1beta1"

// Dropped is the event about objects that the API server did not keep all of; it has no reason when there are none.
func Dropped(objects []string) Event {
	if len(objects) == 0 {
		return Event{}
	}
	message := "the API server did not keep all that was written: " + named(objects)
	return Event{Warning: true, Reason: v1beta1.FieldsDroppedReason, Message: message}
}
