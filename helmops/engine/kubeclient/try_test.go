package kubeclient

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/helmops/preview"
)

// A trial asks about the objects that are wanted only, writes nothing, and says of which objects nothing is known.
func TestTry(t *testing.T) {
	t.Parallel()
	const (
		web = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2}}`
		api = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}, spec: {replicas: 2}}`
		job = `{apiVersion: batch/v1, kind: Job, metadata: {name: job}, spec: {suspend: true}}`
		own = `{apiVersion: shop.example.com/v1, kind: Order, metadata: {name: first}}`
		out = `{apiVersion: gone.example.com/v1, kind: Basket, metadata: {name: last}}`
		def = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: orders.shop.example.com},
			spec: {group: shop.example.com, names: {kind: Order, plural: orders}, scope: Namespaced, versions: []}}`
	)
	s := newAPIServer(t)
	s.put(t, strings.Replace(web, "name: web", "name: web, namespace: apps", 1), ofRelease("web"))
	s.answer = func(method, path string) *metav1.Status {
		if method != http.MethodPatch || !strings.HasSuffix(path, "/api") {
			return nil
		}
		return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, `admission webhook "policy" denied the request: no`)
	}

	manifest := strings.Join([]string{web, api, job, own, out, def}, "\n---\n")
	all := func(u preview.Untried) bool { return u.Name != "job" }
	got, err := s.client(t).Try(Proposal{Manifest: manifest, Former: web}, all)
	if err != nil {
		t.Fatal(err)
	}

	why := map[string]string{}
	for _, u := range got {
		why[u.Name] = u.Why
		if u.Refused != (u.Name == "api") {
			t.Errorf("%s %s: refused is %t", u.Kind, u.Name, u.Refused)
		}
	}
	if len(got) != 3 || why["last"] != "its kind is not served yet" ||
		!strings.Contains(why["api"], "refuses the dry run: Deployment apps/api: ") || !strings.Contains(why["api"], "denied") {
		t.Errorf("not tried are %q", why)
	}
	if why["first"] != "its kind is not served yet" {
		t.Errorf("of an object whose kind comes with it: %q", why["first"])
	}

	wrote := s.wrote()
	slices.Sort(wrote)
	want := []string{
		"PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/orders.shop.example.com",
		"PATCH /apis/apps/v1/namespaces/apps/deployments/web",
	}
	if !slices.Equal(wrote, want) {
		t.Errorf("it tried %q, want %q", wrote, want)
	}
	if s.get("orders.shop.example.com") != nil {
		t.Error("a trial wrote")
	}
}
