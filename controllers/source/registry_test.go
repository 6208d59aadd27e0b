package source

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/test/servers"
)

// registryHandler polls a registry that has the chart web for the choices that it is given.
type registryHandler struct {
	*testing.T
	*handler[*v1beta1.HelmRepository]
	server  *servers.RegistryServer
	source  *v1beta1.HelmRepository
	choices []catalog.ChartRef
	woken   chan types.NamespacedName
	later   time.Duration // added to the time
}

func newRegistryHandler(t *testing.T) *registryHandler {
	t.Helper()
	server, err := servers.Registry(t.TempDir(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.PushChart(t.Context(), "charts", archive); err != nil {
		t.Fatal(err)
	}
	source := repository(func(r *v1beta1.HelmRepository) {
		r.Spec.URL, r.Spec.Type, r.Spec.Insecure = "oci://"+server.Host()+"/charts", v1beta1.HelmRepositoryTypeOCI, true
	})
	objects := newClient(t, source)
	r := &registryHandler{T: t, server: server, source: source, woken: make(chan types.NamespacedName, 1)}
	answers := catalog.NewCatalog(objects, objects, newStore(t))
	r.handler = &handler[*v1beta1.HelmRepository]{
		kind: v1beta1.HelmRepositoryKind, catalog: answers, poll: answers.Poll,
		choices: func(context.Context, catalog.ChartRef) ([]catalog.ChartRef, error) { return r.choices, nil },
		tasks:   loop.NewTasks[polled](t.Context(), func(key types.NamespacedName) { r.woken <- key }, time.Now),
		events:  events.NewFakeRecorder(10), now: func() time.Time { return now.Add(r.later) }, jitter: exact,
		visits: map[types.NamespacedName]visit{},
	}
	return r
}

// reconcile reports whether a reconciliation polled the registry.
func (r *registryHandler) reconcile() bool {
	r.Helper()
	if _, err := r.Reconcile(r.Context(), r.source); err != nil {
		r.Fatal(err)
	}
	if _, running := r.tasks.Running(client.ObjectKeyFromObject(r.source)); !running {
		return false
	}
	<-r.woken
	if _, err := r.Reconcile(r.Context(), r.source); err != nil {
		r.Fatal(err)
	}
	return true
}

// A registry that has nothing of what is asked for is not Ready, and its message does not say that something is in use.
// As soon as another release asks for a chart that is there, it is polled and Ready.
func TestARegistryWithoutTheChart(t *testing.T) {
	t.Parallel()
	r := newRegistryHandler(t)
	wrong := catalog.ChartRef{
		Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "wbe", Version: "*",
	}
	right := wrong
	right.Chart = "web"
	if !r.reconcile() || !status.IsReady(r.source) {
		t.Errorf("nothing is asked for, and it says %q", status.Message(r.source))
	}

	r.choices = []catalog.ChartRef{wrong}
	want := "registry " + r.server.Host() + " has no chart wbe; check spec.chart and the credentials"
	if !r.reconcile() || status.IsReady(r.source) || status.Message(r.source) != want {
		t.Errorf("it is ready: %v; message %q, want %q", status.IsReady(r.source), status.Message(r.source), want)
	}
	if _, err := r.catalog.Chart(t.Context(), wrong); err == nil || err.Error() != want {
		t.Errorf("the release gets %v, want %q", err, want)
	}
	if r.reconcile() {
		t.Error("it is polled again before its retry is due")
	}

	r.choices = []catalog.ChartRef{wrong, right}
	both := "registry with 1 chart in use; it does not have wbe, which releases ask for"
	if !r.reconcile() || !status.IsReady(r.source) || status.Message(r.source) != both {
		t.Errorf("a chart is found, and it says %q, want %q", status.Message(r.source), both)
	}
	if _, err := r.catalog.Chart(t.Context(), right); err != nil {
		t.Errorf("the chart that is there: %v", err)
	}
}

// A registry that cannot be reached names what stays in use only when there is something.
func TestARegistryThatCannotBeReached(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]bool{"without charts": false, "with a chart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistryHandler(t)
			web := catalog.ChartRef{
				Kind: v1beta1.HelmRepositoryKind, Namespace: "apps", Name: "charts", Chart: "web", Version: "*",
			}
			if asked {
				r.choices = []catalog.ChartRef{web}
			}
			if !r.reconcile() || !status.IsReady(r.source) {
				t.Fatalf("it says %q", status.Message(r.source))
			}
			host := r.server.Host()
			if err := r.server.Close(); err != nil {
				t.Fatal(err)
			}
			r.choices, r.later = []catalog.ChartRef{web}, time.Hour
			want := "registry " + host + " cannot be reached: connection refused"
			if asked {
				want += "; what was found before stays in use"
			}
			if !r.reconcile() || status.Message(r.source) != want {
				t.Errorf("message %q, want %q", status.Message(r.source), want)
			}
			if strings.Contains(status.Message(r.source), "sha256:") {
				t.Errorf("the message names a digest: %s", status.Message(r.source))
			}
		})
	}
}
