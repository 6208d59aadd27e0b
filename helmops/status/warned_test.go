package status

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/warning"
)

func TestWarned(t *testing.T) {
	objects := func(n int) (out []warning.Object) {
		for i := range n {
			ref := corev1.ObjectReference{Kind: "Role", Namespace: "apps", Name: fmt.Sprint("r", i)}
			out = append(out, warning.Object{Ref: ref, Texts: []string{"it is old"}})
		}
		return out
	}
	for _, tt := range []struct {
		name    string
		objects []warning.Object
		events  int
		last    string
	}{
		{"none", nil, 0, ""},
		{"each has its own", objects(2), 2, "the API server warns of Role apps/r1: it is old"},
		{"as many as are shown", objects(maxWarned), maxWarned, "the API server warns of Role apps/r9: it is old"},
		{"the others are counted", objects(maxWarned + 5), maxWarned + 1,
			"the API server warns of 5 more objects, the first of which is Role apps/r10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events := Warned(tt.objects)
			if len(events) != tt.events {
				t.Fatalf("%d events, want %d", len(events), tt.events)
			}
			for i, event := range events {
				if !event.Warning || !event.Advice || event.Reason != v1beta1.WarningReceivedReason {
					t.Errorf("event %d is %+v", i, event)
				}
				named := event.Related != nil
				if named != (i < maxWarned) || named && !strings.Contains(event.Message, event.Related.Name) {
					t.Errorf("event %d is related to %+v", i, event.Related)
				}
			}
			if tt.events > 0 && events[tt.events-1].Message != tt.last {
				t.Errorf("the last says %q, want %q", events[tt.events-1].Message, tt.last)
			}
		})
	}
}
