package source

import (
	"context"
	"io"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
)

// A source that stands for one chart answers the releases that refer to it from its status. Once it is Ready, it is
// not polled again before its interval, with or without such releases, wherever its chart comes from.
func TestSourcesOfOneChartAreSteady(t *testing.T) {
	t.Parallel()
	chart := func(kind string, change ...func(*v1beta1.HelmChart)) *v1beta1.HelmChart {
		hc := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "u2", Generation: 1}}
		hc.Spec.Chart, hc.Spec.SourceRef = "charts/web", v1beta1.LocalSourceReference{Kind: kind, Name: "fleet"}
		for _, c := range change {
			c(hc)
		}
		return hc
	}
	valued := func(hc *v1beta1.HelmChart) { hc.Spec.ValuesFiles = []string{"values.yaml", "values-prod.yaml"} }
	reads := func(kind string) *v1beta1.HelmRelease {
		hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "user"}}
		hr.Spec.ChartRef = &v1beta1.ChartSourceReference{Kind: kind, Name: "web"}
		return hr
	}
	isSteady(t, "a HelmChart", chart(v1beta1.HelmRepositoryKind), v1beta1.HelmChartKind)

	isSteady(t, "a HelmChart of a release", chart(v1beta1.HelmRepositoryKind), v1beta1.HelmChartKind,
		reads(v1beta1.HelmChartKind))

	isSteady(t, "a HelmChart with values files", chart(v1beta1.GitRepositoryKind, valued), v1beta1.HelmChartKind,
		reads(v1beta1.HelmChartKind))

	oci := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web", UID: "u3", Generation: 1}}
	isSteady(t, "an OCIRepository of a release", oci, v1beta1.OCIRepositoryKind, reads(v1beta1.OCIRepositoryKind))
}

// isSteady reconciles a source until it was polled once, and fails when a second poll begins.
func isSteady[T catalog.Object](t *testing.T, what string, source T, kind string, users ...client.Object) {
	t.Helper()
	objects := newClient(t, append(users, source)...)
	c := catalog.NewCatalog(objects, objects, newStore(t))
	woken := make(chan types.NamespacedName, 1)
	h := &handler[T]{
		kind: kind, catalog: c, choices: catalog.ChoicesOf(objects),
		poll: func(context.Context, v1beta1.Source, []catalog.ChartRef) catalog.Polled {
			digest, _, err := c.View(source).Put(t.Context(), "", func(w io.Writer) error {
				_, err := io.WriteString(w, "the archive")
				return err
			})
			chart := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest}
			return catalog.Polled{Artifact: v1beta1.Artifact{Revision: "1.0.0", Digest: digest}, Chart: &chart, Err: err}
		},
		tasks:  loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events: events.NewFakeRecorder(10), now: time.Now, jitter: exact,
		visits: map[types.NamespacedName]visit{},
	}
	if _, err := h.Reconcile(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	<-woken
	again, err := h.Reconcile(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if _, running := h.tasks.Running(client.ObjectKeyFromObject(source)); running || again < source.GetInterval()/2 {
		t.Errorf("%s is reconciled again in %s, polling: %v; its interval is %s", what, again, running, source.GetInterval())
	}
}
