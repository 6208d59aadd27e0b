package source

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
)

// A source with a field that is not supported is stalled by its name, and upstream is not asked.
func TestAnUnsupportedSourceIsNotPolled(t *testing.T) {
	t.Parallel()
	woken := make(chan types.NamespacedName, 1)
	polls := 0
	h := &handler[*v1beta1.GitRepository]{
		kind: v1beta1.GitRepositoryKind, catalog: catalog.NewCatalog(nil, nil, nil),
		poll: func(context.Context, v1beta1.Source, []catalog.ChartRef) catalog.Polled {
			polls++
			return catalog.Polled{}
		},
		choices: func(context.Context, catalog.ChartRef) ([]catalog.ChartRef, error) { return nil, nil },
		tasks:   loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events:  events.NewFakeRecorder(10), now: time.Now, jitter: exact, visits: map[types.NamespacedName]visit{},
	}
	source := &v1beta1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 1}}
	source.Spec.Provider = "azure"
	if _, err := h.Reconcile(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	<-woken
	if _, err := h.Reconcile(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if !status.IsStalled(source) || !strings.Contains(status.Message(source), "spec.provider azure is not supported") {
		t.Errorf("the source says %q, stalled %t", status.Message(source), status.IsStalled(source))
	}
	if polls != 0 {
		t.Errorf("upstream was asked %d times", polls)
	}
}
