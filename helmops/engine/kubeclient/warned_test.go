package kubeclient

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/warning"
	"fairlead.dev/fairlead/test/build"
)

// answering is a client whose API server takes everything, and warns of each request with its method and field
// manager.
func answering(t *testing.T) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("Warning", `299 - "`+r.Method+" by "+r.URL.Query().Get("fieldManager")+`"`)
		_ = json.NewEncoder(w).Encode(build.Object(t, `{apiVersion: v1, kind: ConfigMap,
			metadata: {name: a, namespace: apps, uid: u, resourceVersion: "7"}}`).Object)
	}))
	t.Cleanup(server.Close)
	return &Client{
		ctx: t.Context(), identity: restOnly{url: server.URL}, options: Options{Now: time.Now},
		dropped: map[string]string{}, written: map[string]*warning.Written{},
	}
}

func written(t *testing.T, kind, plural, name string) *resource.Info {
	t.Helper()
	info := infoOf(t, `{apiVersion: v1, kind: `+kind+`, metadata: {name: `+name+`, namespace: apps}}`)
	info.Mapping.Resource = schema.GroupVersionResource{Version: "v1", Resource: plural}
	info.Mapping.Scope = meta.RESTScopeNamespace
	return info
}

// What the API server warns of is noted with the object that was sent. A trial is no write, and an object that is not
// sent has no warnings.
func TestWarningsAreNoted(t *testing.T) {
	t.Parallel()
	c := answering(t)
	a, s := written(t, "ConfigMap", "configmaps", "a"), written(t, "Secret", "secrets", "s")
	c.notePresent(a, 255)
	c.notePresent(written(t, "ConfigMap", "configmaps", "unchanged"), 1)
	tried := written(t, "ConfigMap", "configmaps", "tried")
	if _, err := c.send(tried, types.ApplyPatchType, []byte("{}"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := c.send(a, types.ApplyPatchType, []byte("{}"), false); err != nil {
		t.Fatal(err)
	}
	if _, err := c.send(s, types.ApplyPatchType, []byte("{}"), false); err != nil {
		t.Fatal(err)
	}
	if err := c.post(written(t, "ConfigMap", "configmaps", "hook")); err != nil {
		t.Fatal(err)
	}
	ref := func(kind, name string, sent bool) corev1.ObjectReference {
		out := corev1.ObjectReference{APIVersion: "v1", Kind: kind, Namespace: "apps", Name: name}
		if sent {
			out.UID, out.ResourceVersion = "u", "7"
		}
		return out
	}
	want := []warning.Written{
		{ID: "apps_a__ConfigMap", Sum: "ff", Sent: true,
			Object: warning.Object{Ref: ref("ConfigMap", "a", true), Texts: []string{"PATCH by helm"}}},
		{ID: "apps_hook__ConfigMap", Sent: true,
			Object: warning.Object{Ref: ref("ConfigMap", "hook", true), Texts: []string{"POST by helm"}}},
		{ID: "apps_s__Secret", Sent: true, Object: warning.Object{
			Ref: ref("Secret", "s", true), Texts: []string{"the text is left out, because it may quote the Secret"}}},
		{ID: "apps_unchanged__ConfigMap", Sum: "1", Object: warning.Object{Ref: ref("ConfigMap", "unchanged", false)}},
	}
	if diff := cmp.Diff(want, c.Written()); diff != "" {
		t.Errorf("the objects are (-want +got):\n%s", diff)
	}
}

// Requests that Helm's own client makes are heard, too, each client those of its object alone.
func TestWarningsOfHelmsOwnClient(t *testing.T) {
	t.Parallel()
	c := answering(t)
	client, err := c.identity.REST(schema.GroupVersion{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	hears, other := &listening{Interface: client}, &listening{Interface: client}
	helper := resource.NewHelper(hears, written(t, "ConfigMap", "configmaps", "a").Mapping).WithFieldManager("helm")
	if _, err := helper.Patch("apps", "a", types.MergePatchType, []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	if got := hears.heard(); len(got) != 1 || got[0].Text != "PATCH by helm" {
		t.Errorf("heard is %v", got)
	}
	if got := other.heard(); len(got) != 0 {
		t.Errorf("of another object is heard %v", got)
	}
}
