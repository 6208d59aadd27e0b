package source

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
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
		hr := release("user", "", "")
		hr.Spec.Chart, hr.Spec.ChartRef = nil, &v1beta1.ChartSourceReference{Kind: kind, Name: "web"}
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
func isSteady[T sourceObject](t *testing.T, what string, source T, kind string, users ...client.Object) {
	t.Helper()
	objects := newClient(t, append(users, source)...)
	c := NewCatalog(objects, objects, newStore(t))
	woken := make(chan types.NamespacedName, 1)
	h := &handler[T]{
		kind: kind, catalog: c, choices: choicesOf(objects),
		poll: func(context.Context, v1beta1.Source, []Choice) polled {
			found := revision
			found.Digest = bring(t, c, source, "the archive")

			return chartFound(v1beta1.Artifact{Revision: "1.0.0", Digest: found.Digest}, found)
		},
		tasks:  loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { woken <- key }, time.Now),
		events: events.NewFakeRecorder(10), now: time.Now, jitter: func() float64 { return 0 },
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

// A choice takes the build that was created last, and never goes back to an older version.
func TestAChoiceIsSteady(t *testing.T) {
	t.Parallel()
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	made := func(version string, created time.Time) pick {
		return pick{Revision: v1beta1.ChartRevision{Name: "web", Version: version, Digest: "sha256:" + version}, Created: created}
	}
	for name, tt := range map[string]struct {
		before, found pick
		want          string
	}{
		"a newer version":             {made("1.0.0", at(1)), made("1.1.0", at(2)), "1.1.0"},
		"an older version":            {made("1.1.0", at(1)), made("1.0.0", at(2)), "1.1.0"},
		"a build that is made later":  {made("1.0.0+b", at(1)), made("1.0.0+a", at(2)), "1.0.0+a"},
		"a build that is made before": {made("1.0.0+a", at(2)), made("1.0.0+b", at(1)), "1.0.0+a"},
		"builds of unknown age":       {made("1.0.0+b", time.Time{}), made("1.0.0+a", time.Time{}), "1.0.0+b"},
		"a text after a version":      {made("1.0.0", at(1)), made("1.8", at(1)), "1.8"},
	} {
		if got := tt.found.steady(tt.before).Revision.Version; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}
