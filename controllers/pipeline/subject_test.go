package pipeline

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A subject whose last poll failed still has its chart. The pipeline says that it may miss newer ones, and decides as
// before.
func TestASubjectThatIsNotPolled(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeStages())
	s.charts.revision = v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:one"}
	source := &v1beta1.OCIRepository{}
	if err := s.objects.Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "web"}, source); err != nil {
		t.Fatal(err)
	}
	set := func(ready metav1.ConditionStatus) {
		t.Helper()
		source.Status.Conditions = []metav1.Condition{{Type: v1beta1.ReadyCondition, Status: ready,
			Reason: v1beta1.AuthenticationFailedReason, Message: "registry.example.com answers 401"}}
		if err := s.objects.Update(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		s.settle()
	}
	set(metav1.ConditionFalse)
	if ready := s.ready(); ready.Reason != v1beta1.SourceNotReadyReason ||
		!strings.Contains(ready.Message, "OCIRepository apps/web is not ready: registry.example.com answers 401") {
		t.Errorf("it says %+v", ready)
	}
	if got := s.source("dev").Spec.Reference.Digest; got != "sha256:one" {
		t.Errorf("dev has %s", got)
	}
	set(metav1.ConditionTrue)
	if ready := s.ready(); ready.Reason == v1beta1.SourceNotReadyReason {
		t.Errorf("it says %+v", ready)
	}
}
