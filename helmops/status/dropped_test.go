package status

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestTheEventAboutWhatWasDropped(t *testing.T) {
	t.Parallel()
	if event := Dropped(nil); event.Reason != "" {
		t.Errorf("nothing was dropped, and the event is %+v", event)
	}
	objects := []string{"a (x)", "b (x)", "c (x)", "d (x)", "e (x)", "f (x)", "g (x)", "h (x)"}
	event := Dropped(objects)
	if event.Reason != v1beta1.FieldsDroppedReason || !event.Warning {
		t.Errorf("%+v", event)
	}
	if !strings.Contains(event.Message, "a (x), b (x)") || !strings.Contains(event.Message, "more") {
		t.Errorf("the first few are not named: %s", event.Message)
	}
}
