package kustomization

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/kustomize/plan"
	"fairlead.dev/fairlead/helmops/process/fair"
)

func TestAnAttemptThatPanicsFailsTheKustomizationWithBackOff(t *testing.T) {
	t.Parallel()
	woken := make(chan types.NamespacedName, 1)
	h := &handler{ // without a gatherer: building panics
		tasks:  loop.NewTasks[actionResult](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events: events.NewFakeRecorder(10), now: time.Now, builds: fair.New(1, 1),
		awaited: map[types.NamespacedName]bool{}, audited: map[types.NamespacedName]time.Time{},
		fightBackoff: map[types.NamespacedName]time.Time{},
	}
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
	for failures := int64(1); failures <= 2; failures++ {
		h.start(k, inputs{digest: "sha256:1"}, plan.Plan{Step: plan.Apply})
		<-woken
		h.collectResult(t.Context(), k)
		ready := meta.FindStatusCondition(k.Status.Conditions, v1beta1.ReadyCondition)
		if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != v1beta1.InternalErrorReason {
			t.Fatalf("Ready is %+v", ready)
		}
		if !strings.Contains(ready.Message, "controller fault (a panic)") ||
			!strings.Contains(ready.Message, "the controller retries") {
			t.Errorf("message: %s", ready.Message)
		}
		if k.Status.Failures != failures {
			t.Errorf("%d failures are counted after %d", k.Status.Failures, failures)
		}
	}
	if held, _ := h.builds.Held("apps"); held != 0 {
		t.Error("the slot of the build is still held")
	}
}
