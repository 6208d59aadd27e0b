package apply

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// What objects say themselves is repeated only when that is asked for.
func TestWordsOfObjectsAreRepeatedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	owner := types.NamespacedName{Namespace: "apps", Name: "fleet"}
	ref := v1beta1.NewResourceRef("apps", "db", "example.com", "Database", "v1")
	entry := tracker.Entry{
		Complete: health.Report{State: health.Failed, Message: "condition Ready is False", Quote: "hunter2 is wrong"},
	}
	for quote, want := range map[bool]string{
		false: "condition Ready is False", true: "condition Ready is False: hunter2 is wrong",
	} {
		var seen ObservedState
		(&clusterState{}).assess(&seen, owner, ref, entry, true, quote)
		if len(seen.Unhealthy) != 1 || seen.Unhealthy[0].Message != want ||
			strings.Contains(strings.Join(seen.Differs, ""), "hunter2") {
			t.Errorf("with quote %v: %+v", quote, seen)
		}
	}
}
