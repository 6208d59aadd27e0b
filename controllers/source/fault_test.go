package source

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

func TestAPollThatPanicsFailsTheSourceWithBackOff(t *testing.T) {
	t.Parallel()
	woken := make(chan types.NamespacedName, 1)
	polls := 0
	h := &handler[*v1beta1.GitRepository]{
		kind: v1beta1.GitRepositoryKind, catalog: catalog.NewCatalog(nil, nil, nil),
		poll: func(context.Context, v1beta1.Source, []catalog.ChartRef) catalog.Polled {
			polls++
			panic("password: hunter2")
		},
		choices: func(context.Context, catalog.ChartRef) ([]catalog.ChartRef, error) { return nil, nil },
		tasks:   loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events:  events.NewFakeRecorder(10), now: time.Now, jitter: exact, visits: map[types.NamespacedName]visit{},
	}
	source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
	source.Spec.Interval = &metav1.Duration{Duration: time.Hour}
	if _, err := h.Reconcile(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	<-woken
	again, err := h.Reconcile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	ready := meta.FindStatusCondition(source.Status.Conditions, v1beta1.ReadyCondition)
	if ready == nil || ready.Status != metav1.ConditionFalse || ready.Reason != v1beta1.InternalErrorReason {
		t.Errorf("Ready is %+v", ready)
	} else if strings.Contains(ready.Message, "hunter2") ||
		!strings.Contains(ready.Message, "controller fault (a panic)") {
		t.Errorf("message: %s", ready.Message)
	}
	if polls != 1 || again <= 0 || again > firstRetry {
		t.Errorf("%d polls, the next one in %s, want it in up to %s", polls, again, firstRetry)
	}
}
