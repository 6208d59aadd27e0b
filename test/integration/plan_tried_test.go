package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
)

// Most requests of the plan of an upgrade that changes each of 60 objects.
const maxPlanRequests = 70

// requestCount counts requests, and those among them that are dry runs.
type requestCount struct {
	next        http.RoundTripper
	all, dryRun *atomic.Int32
}

func (c requestCount) RoundTrip(r *http.Request) (*http.Response, error) {
	c.all.Add(1)
	if r.URL.Query().Get("dryRun") != "" {
		c.dryRun.Add(1)
	}
	return c.next.RoundTrip(r)
}

// accounts is a manifest of ServiceAccounts, and of a Deployment with a label that its selector has.
func accounts(n int, mark, label string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a%d, annotations: {mark: %q}}\n", i, mark)
	}
	fmt.Fprintf(&out, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: web, image: web}]}
`, label)
	return out.String()
}

// A plan has the API server try what changes, and nothing else. It names what is refused, and of what nothing is known.
func TestPlansTryWhatChanges(t *testing.T) {
	t.Parallel()
	var all, dryRun atomic.Int32
	config := rest.CopyConfig(world.cluster.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return requestCount{next, &all, &dryRun} })
	w := workbenchOf(t, config)
	foreseen := func(template string) *engine.Foresight {
		all.Store(0)
		dryRun.Store(0)
		f, err := w.engine.Foresee(t.Context(), w.action(plan.Upgrade, template))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	w.rollOut(plan.Install, accounts(59, "one", "web"))

	began := time.Now()
	f := foreseen(accounts(59, "two", "other"))
	t.Logf("a plan that changes 60 objects takes %s", time.Since(began))
	if dryRun.Load() != 60 || all.Load() > maxPlanRequests {
		t.Errorf("a plan that changes 60 objects takes %d requests, %d of them dry runs", all.Load(), dryRun.Load())
	}
	if len(f.Untried) != 1 || f.Untried[0].Name != "web" || !f.Untried[0].Refused ||
		!strings.Contains(f.Untried[0].Why, "field is immutable") {
		t.Errorf("not tried are %+v", f.Untried)
	}

	unknown := "---\napiVersion: example.com/v1\nkind: Unknown\nmetadata: {name: last}\n"
	f = foreseen(strings.Replace(accounts(59, "one", "web"), `"one"`, `"two"`, 1) + unknown)
	if dryRun.Load() != 1 || all.Load() > 12 {
		t.Errorf("a plan that changes one object takes %d requests, %d of them dry runs", all.Load(), dryRun.Load())
	}
	want := preview.Untried{Group: "example.com", Kind: "Unknown", Name: "last", Why: "its kind is not served yet"}
	if len(f.Untried) != 1 || f.Untried[0] != want {
		t.Errorf("not tried are %+v", f.Untried)
	}
	var live corev1.ServiceAccount
	key := client.ObjectKey{Namespace: w.ns, Name: "a0"}
	if err := world.cluster.Client.Get(t.Context(), key, &live); err != nil || live.Annotations["mark"] != "one" {
		t.Errorf("a plan changed an object to %v (%v)", live.Annotations, err)
	}
}
