package keep

import (
	"context"
	"errors"
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	all := []string{"CustomResourceDefinition", "Namespace", "PersistentVolumeClaim"}
	withClaim := Found{Claims: []string{"a/c"}}
	things := Found{Objects: []string{"things a/b"}, Count: 1}
	for name, test := range map[string]struct {
		kind   schema.GroupKind
		asked  []string
		found  Found
		reason string
	}{
		"a ConfigMap goes":                     {schema.GroupKind{Kind: "ConfigMap"}, nil, things, ""},
		"a definition without objects goes":    {Definition, nil, Found{}, ""},
		"a definition with objects stays":      {Definition, nil, things, "has 1 object: things a/b"},
		"the count is that of all":             {Definition, nil, Found{Count: 7}, "has 7 objects"},
		"a definition that was asked for goes": {Definition, all[:1], things, ""},
		"another kind was asked for":           {Definition, all[1:], things, "has 1 object: things a/b"},
		"a definition that is wanted stays":    {Definition, all, Found{Wanted: "is wanted"}, "is wanted"},
		"what cannot be seen stays": {
			Definition, nil, Found{Unseen: []string{"things"}}, "may have objects that could not be listed: things",
		},
		"what cannot be seen goes when asked":      {Definition, all, Found{Unseen: []string{"things"}}, ""},
		"a definition of another group is none":    {schema.GroupKind{Group: "x", Kind: Definition.Kind}, nil, things, ""},
		"a namespace without objects goes":         {Namespace, nil, Found{}, ""},
		"a namespace with objects stays":           {Namespace, nil, things, "has 1 object: things a/b"},
		"a namespace that was asked for goes":      {Namespace, all[1:2], things, ""},
		"but not with claims that were not":        {Namespace, all[1:2], withClaim, "has 1 PersistentVolumeClaim: a/c"},
		"a namespace goes with claims asked for":   {Namespace, all, withClaim, ""},
		"a claim stays":                            {Claim, nil, Found{}, "holds data"},
		"a claim that was asked for goes":          {Claim, all[2:], Found{}, ""},
		"a claim stays when a namespace was asked": {Claim, all[:2], Found{}, "holds data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(test.kind, test.asked, test.found)
			if got.Reason != test.reason || got.Keep != (test.reason != "") {
				t.Errorf("the verdict is %+v, want the reason %q", got, test.reason)
			}
		})
	}
}

var thing = schema.GroupVersionResource{Group: "example.com", Version: "v1", Resource: "things"}

func definition(served bool) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "things.example.com"},
		"spec": map[string]any{
			"group": thing.Group, "names": map[string]any{"plural": thing.Resource, "kind": "Thing"},
			"versions": []any{map[string]any{"name": "v1", "served": served}},
		},
	}}
}

// object is one that the fake cluster has.
func object(version, kind, name string, change func(*metav1.PartialObjectMetadata)) runtime.Object {
	o := &metav1.PartialObjectMetadata{
		TypeMeta:   metav1.TypeMeta{APIVersion: version, Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name},
	}
	if change != nil {
		change(o)
	}
	return o
}

func client(t *testing.T, objects ...runtime.Object) *fake.FakeMetadataClient {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewSimpleMetadataClient(scheme, objects...)
}

func going(o *metav1.PartialObjectMetadata) {
	now := metav1.Now()
	o.DeletionTimestamp = &now
	o.Finalizers = []string{"example.com/x"}
}

func followsFrom(o *metav1.PartialObjectMetadata) {
	o.OwnerReferences = []metav1.OwnerReference{{Name: "x"}}
}

// Every object of a definition counts but those that go anyway.
func TestWhatADefinitionHas(t *testing.T) {
	t.Parallel()
	objects := []runtime.Object{
		object("example.com/v1", "Thing", "one", nil), object("example.com/v1", "Thing", "two", followsFrom),
		object("example.com/v1", "Thing", "three", going), object("example.com/v1", "Thing", "four", nil),
	}
	look := Look{Metadata: client(t, objects...), Goes: func(resource schema.GroupResource, namespace, name string) bool {
		return resource == thing.GroupResource() && namespace == "a" && name == "four"
	}}
	found := look.At(t.Context(), definition(true))
	want := []string{"things.example.com a/one", "things.example.com a/two"}
	slices.Sort(found.Objects)
	if found.Count != 2 || !slices.Equal(found.Objects, want) || len(found.Unseen) > 0 {
		t.Errorf("found %+v, want %v", found, want)
	}
	if found := look.At(t.Context(), definition(false)); len(found.Unseen) != 1 {
		t.Errorf("a definition that serves nothing seems to be empty: %+v", found)
	}
}

// What may not be listed is not taken for empty, and the reason is reported.
func TestWhatCannotBeListed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"forbidden": {
			apierrors.NewForbidden(thing.GroupResource(), "", errors.New("no")),
			"things.example.com (the right to list them is missing)",
		},
		"not served": {apierrors.NewNotFound(thing.GroupResource(), ""), "things.example.com (they are not served)"},
		"an outage":  {errors.New("no"), "things.example.com (the API server refused the list)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := client(t)
			on.PrependReactor("list", "things", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, test.err
			})
			found := Look{Metadata: on}.At(t.Context(), definition(true))
			if !slices.Equal(found.Unseen, []string{test.want}) || !Decide(Definition, nil, found).Keep {
				t.Errorf("found %+v, want %s", found, test.want)
			}
		})
	}
}

// Of a namespace, what Kubernetes makes and what follows from other objects does not count; a claim always does.
func TestWhatANamespaceHas(t *testing.T) {
	t.Parallel()
	kinds := []schema.GroupVersionResource{
		{Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "serviceaccounts"},
		{Version: "v1", Resource: "pods"},
		{Version: "v1", Resource: "persistentvolumeclaims"}, {Version: "v1", Resource: "events"},
	}
	made := []runtime.Object{
		object("v1", "ConfigMap", "kube-root-ca.crt", nil), object("v1", "ServiceAccount", "default", nil),
		object("v1", "Pod", "web-1", followsFrom), object("v1", "Event", "x", nil),
	}
	namespace := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "a"},
	}}
	look := func(objects ...runtime.Object) Found {
		resources := func(context.Context) ([]schema.GroupVersionResource, error) { return kinds, nil }
		return Look{Metadata: client(t, objects...), Resources: resources}.At(t.Context(), namespace)
	}
	if found := look(made...); found.Count > 0 || len(found.Unseen) > 0 {
		t.Errorf("a namespace that nobody uses has %+v", found)
	}
	found := look(append(made, object("v1", "ConfigMap", "mine", nil))...)
	if !slices.Equal(found.Objects, []string{"configmaps a/mine"}) {
		t.Errorf("found %+v, want the ConfigMap", found)
	}
	found = look(object("v1", "PersistentVolumeClaim", "data", followsFrom))
	if !slices.Equal(found.Claims, []string{"a/data"}) || found.Count != 1 {
		t.Errorf("found %+v, want the claim", found)
	}
}
