package kubeclient

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/kube"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	settingsText = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: apps}, data: {a: wanted}}"
	otherText    = "{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: apps}, data: {a: wanted}}"
	claimText    = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: apps}," +
		" spec: {resources: {requests: {storage: 1Gi}}}}"
)

func edited(o *unstructured.Unstructured) {
	_ = unstructured.SetNestedField(o.Object, "edited", "data", "a")
}

// An object is created when there is none, taken over when it has no owner, and left when another release has it.
func TestCreateClaimsOnlyWhatNoOtherReleaseHas(t *testing.T) {
	t.Parallel()
	foreign := func(o *Options) { o.KeepForeign = true }
	kept := func(o *Options) {
		o.KeepForeign = true
		o.Keep.Before = []v1beta1.KeptObject{{Kind: "ConfigMap", Namespace: "apps", Name: "settings"}}
	}
	for _, tt := range []struct {
		name    string
		live    []func(*unstructured.Unstructured) // nil when there is none
		options []func(*Options)
		refused string
	}{
		{name: "there is none"},
		{name: "it has no owner", live: []func(*unstructured.Unstructured){edited}},
		{name: "the release has it", live: []func(*unstructured.Unstructured){edited, ofRelease("web")}},
		{
			name: "another release has it", live: []func(*unstructured.Unstructured){edited, ofRelease("shop")},
			refused: "ConfigMap apps/settings belongs to the Helm release apps/shop; remove it there, or from this chart",
		},
		{
			name: "it has no owner, and taking over is off", live: []func(*unstructured.Unstructured){edited},
			options: []func(*Options){foreign}, refused: "belongs to no Helm release, and disableTakeOwnership is set",
		},
		{
			name: "it was kept before, and taking over is off", live: []func(*unstructured.Unstructured){edited},
			options: []func(*Options){kept},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			if tt.live != nil {
				s.put(t, settingsText, tt.live...)
			}
			c := s.client(t, tt.options...)
			result, err := c.Create(c.build(t, settingsText))
			value, _, _ := unstructured.NestedString(s.get("settings").Object, "data", "a")
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || value != "edited" {
					t.Errorf("error %v, want %q; the object has %q", err, tt.refused, value)
				}
				return
			}
			if err != nil || len(result.Created) != 1 || value != "wanted" || ownerOf(s.get("settings")) != c.self() {
				t.Errorf("error %v, the object has %q and is of %v", err, value, ownerOf(s.get("settings")))
			}
		})
	}
}

func TestCreateRefusesAManifestWithAnObjectTwice(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	c := s.client(t)
	_, err := c.Create(c.build(t, settingsText, settingsText))
	if err == nil ||
		!strings.Contains(err.Error(), "ConfigMap apps/settings already exists: it is in the manifest twice") {
		t.Errorf("error %v", err)
	}
	if len(s.wrote()) != 0 {
		t.Errorf("it wrote %v", s.wrote())
	}
	if _, err := c.Create(nil); err != kube.ErrNoObjectsVisited {
		t.Errorf("without objects: %v", err)
	}
}

// Every object of a kind is tried, and the error names those that failed.
func TestCreateNamesEveryObjectThatFailed(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t)
	s.answer = func(method, path string) *metav1.Status {
		if method == http.MethodPatch && !strings.HasSuffix(path, "/fine") {
			return refusalOf(http.StatusForbidden, metav1.StatusReasonForbidden, "not allowed")
		}
		return nil
	}
	c := s.client(t)
	fine := strings.Replace(otherText, "name: other", "name: fine", 1)
	_, err := c.Create(c.build(t, settingsText, otherText, fine))
	if err == nil || !strings.Contains(err.Error(), "apps/settings") || !strings.Contains(err.Error(), "apps/other") {
		t.Errorf("error %v", err)
	}
	if s.get("fine") == nil {
		t.Error("an object that nothing is wrong with was not written")
	}
}

// A hook is created with the mark of its release. What an earlier attempt of the release left is replaced, and the
// object of another client is not touched.
func TestHooksReplaceOnlyThoseOfTheirRelease(t *testing.T) {
	t.Parallel()
	const hookText = "{apiVersion: v1, kind: ConfigMap, metadata: {name: hook, namespace: apps," +
		" annotations: {helm.sh/hook: pre-install}}, data: {a: wanted}}"
	marked := func(by string) func(*unstructured.Unstructured) {
		return func(o *unstructured.Unstructured) {
			o.SetAnnotations(map[string]string{v1beta1.HookOfAnnotation: by, "helm.sh/hook": "pre-install"})
		}
	}
	unmarked := func(o *unstructured.Unstructured) { o.SetAnnotations(nil) }
	for _, tt := range []struct {
		name    string
		live    []func(*unstructured.Unstructured)
		refused string
		deletes bool
	}{
		{name: "there is none"},
		{
			name: "an earlier attempt left it",
			live: []func(*unstructured.Unstructured){edited, marked(v1beta1.HookOf("apps", "web"))}, deletes: true,
		},
		{
			name:    "another release has such a hook",
			live:    []func(*unstructured.Unstructured){edited, marked("apps/shop")},
			refused: "is a hook of the Helm release apps/shop, so the hook of this release cannot be created",
		},
		{
			name:    "it is part of a release",
			live:    []func(*unstructured.Unstructured){edited, unmarked, ofRelease("shop")},
			refused: "is part of the Helm release apps/shop",
		},
		{
			name: "a hook without a mark", live: []func(*unstructured.Unstructured){edited},
			refused: "is a hook that does not say which Helm release made it",
		},
		{
			name: "it has no owner", live: []func(*unstructured.Unstructured){edited, unmarked},
			refused: "is there already and belongs to no Helm release",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t)
			if tt.live != nil {
				s.put(t, hookText, tt.live...)
			}
			c := s.client(t)
			list, err := c.Build(strings.NewReader(hookText), false)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Create(list)
			value, _, _ := unstructured.NestedString(s.get("hook").Object, "data", "a")
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || value != "edited" {
					t.Errorf("error %v, want %q; the object has %q", err, tt.refused, value)
				}
				return
			}
			mark := s.get("hook").GetAnnotations()[v1beta1.HookOfAnnotation]
			if err != nil || value != "wanted" || mark != v1beta1.HookOf("apps", "web") {
				t.Errorf("error %v, the hook has %q and the mark %q", err, value, mark)
			}
			isDelete := func(request string) bool { return strings.HasPrefix(request, http.MethodDelete) }
			if deletes := slices.ContainsFunc(s.wrote(), isDelete); deletes != tt.deletes {
				t.Errorf("requests: %v", s.wrote())
			}
		})
	}
}

// A hook that holds data is applied over what is there, never deleted.
func TestAHookThatHoldsDataIsNotReplaced(t *testing.T) {
	t.Parallel()
	text := strings.Replace(claimText, "namespace: apps}", "namespace: apps, annotations: {helm.sh/hook: pre-install}}", 1)
	s := newAPIServer(t)
	s.put(t, text, func(o *unstructured.Unstructured) {
		o.SetAnnotations(
			map[string]string{v1beta1.HookOfAnnotation: v1beta1.HookOf("apps", "web"), "helm.sh/hook": "pre-install"})
		o.SetUID("first")
	})
	c := s.client(t)
	list, err := c.Build(strings.NewReader(text), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(list); err != nil {
		t.Fatal(err)
	}
	if uid := s.get("data").GetUID(); uid != "first" {
		t.Errorf("the claim is another one: %s, after %v", uid, s.wrote())
	}
}
