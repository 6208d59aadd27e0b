package source

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/sources"
)

// A source with a field that is not supported is stalled by its name, and upstream is not asked.
func TestAnUnsupportedSourceIsNotPolled(t *testing.T) {
	t.Parallel()
	woken := make(chan types.NamespacedName, 1)
	polls := 0
	h := &handler[*v1beta1.GitRepository]{
		kind: v1beta1.GitRepositoryKind, catalog: NewCatalog(nil, nil, nil),
		poll: func(context.Context, v1beta1.Source, []Choice) polled {
			polls++
			return polled{}
		},
		choices: func(context.Context, Choice) ([]Choice, error) { return nil, nil },
		tasks:   loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events:  events.NewFakeRecorder(10), now: time.Now, jitter: func() float64 { return 0 }, visits: map[types.NamespacedName]visit{},
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

// Nothing is taken from a source that is not supported, whatever an earlier poll has found.
func TestNothingIsTakenFromAnUnsupportedSource(t *testing.T) {
	t.Parallel()
	repository := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", Generation: 2}}
	repository.Spec.Provider = "gcp"
	repository.Status.Chart = &v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:1"}
	known := runtime.NewScheme()
	if err := v1beta1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	objects := fake.NewClientBuilder().WithScheme(known).WithObjects(repository).Build()
	catalog := NewCatalog(objects, objects, nil)
	choice := Choice{Kind: v1beta1.OCIRepositoryKind, Namespace: "apps", Name: "web"}
	_, err := catalog.Chart(t.Context(), choice)
	if sources.Reason(err) != v1beta1.SourceNotReadyReason || !strings.Contains(err.Error(), "spec.provider gcp is not supported") {
		t.Errorf("error %v", err)
	}
	if last, known := catalog.Last(t.Context(), choice); !known || last != *repository.Status.Chart {
		t.Errorf("a release that runs cannot be told its chart: %+v, %t", last, known)
	}
}
