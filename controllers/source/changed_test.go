package source

import (
	"context"
	"io"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

// The spec of a source changes while it is polled, and the poll ends between two steps of the reconcile that sees the
// change. The poll of the former spec answers nothing: the present spec is polled in the next reconcile.
func TestAChangeWhileAPollEndsIsPolled(t *testing.T) {
	t.Parallel()
	former, present := repository(), repository(func(r *v1beta1.HelmRepository) {
		r.Generation, r.Spec.URL = 2, "https://elsewhere.example.com"
	})
	objects, brought := newClient(t, present), ""
	c := catalog.NewCatalog(objects, objects, newStore(t))
	woken, asked := make(chan types.NamespacedName, 1), make(chan string, 4)
	h := &handler[*v1beta1.HelmRepository]{
		kind: v1beta1.HelmRepositoryKind, catalog: c,
		choices: catalog.ChoicesOf(objects),
		poll: func(_ context.Context, source v1beta1.Source, _ []catalog.ChartRef) catalog.Polled {
			asked <- source.(*v1beta1.HelmRepository).Spec.URL
			digest, _, err := c.View(source).Put(t.Context(), "", func(w io.Writer) error {
				_, err := io.WriteString(w, "the index")
				return err
			})
			brought = digest
			return catalog.Polled{Artifact: v1beta1.Artifact{Revision: digest, Digest: digest}, Err: err}
		},
		tasks:  loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events: events.NewFakeRecorder(10), now: time.Now, jitter: exact,
		visits: map[types.NamespacedName]visit{},
	}
	if _, err := h.Reconcile(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	<-woken // its result waits

	present.Status.Artifact = &v1beta1.Artifact{Digest: brought} // by an earlier poll of the former spec
	h.start(t.Context(), present, nil)

	if _, err := h.Reconcile(t.Context(), present); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Fatal("the present spec is not polled before its interval")
	}
	if first, second := <-asked, <-asked; first != former.Spec.URL || second != present.Spec.URL {
		t.Errorf("%s was polled, then %s", first, second)
	}
}
