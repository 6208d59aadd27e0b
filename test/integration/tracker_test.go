package integration

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"

	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// TestTracker: what the API server answers to a write and what its watch says of it are the same, with metadata from
// protobuf and with whole objects from JSON, and a field that another client takes is reported immediately.
func TestTracker(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	client, err := dynamic.NewForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := metadata.NewForConfig(world.cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	objects := tracker.New(t.Context(), tracker.Clients{Dynamic: client, Metadata: bare}, tracker.Helm(), time.Now)
	for _, tt := range []struct {
		kind  tracker.Kind
		spec  map[string]any
		theft string
	}{
		{tracker.Kind{
			GVK: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Resource: "configmaps", Namespaced: true,
		},
			map[string]any{"data": map[string]any{"b.yaml": "1", "a": "2"}}, `{"data":{"a":"3"}}`},
		{tracker.Kind{
			GVK: schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, Resource: "deployments",
			Namespaced: true,
		},
			map[string]any{"spec": map[string]any{
				"replicas": int64(0), "selector": map[string]any{"matchLabels": map[string]any{"app": "a"}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "a"}},
					"spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "example.com/a:1"}}}},
			}}, `{"spec":{"revisionHistoryLimit":3,"paused":false,"replicas":1}}`},
	} {
		t.Run(tt.kind.GVK.Kind, func(t *testing.T) {
			if err := objects.Use(t.Context(), ns+"/web", tt.kind); err != nil {
				t.Fatal(err)
			}
			resource := client.Resource(tt.kind.GVK.GroupVersion().WithResource(tt.kind.Resource)).Namespace(ns)
			object := &unstructured.Unstructured{Object: tt.spec}
			object.SetGroupVersionKind(tt.kind.GVK)
			object.SetName("web")
			object.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "Helm"})
			document, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			apply := func() *unstructured.Unstructured {
				force := true
				answer, err := resource.Patch(t.Context(), "web", types.ApplyPatchType, document,
					metav1.PatchOptions{FieldManager: "helm", Force: &force})
				if err != nil {
					t.Fatal(err)
				}
				return answer
			}
			ref := tracker.Ref{GVK: tt.kind.GVK, Namespace: ns, Name: "web"}
			answer := tracker.Reduce(apply())
			told := awaitEntry(t, objects, ref, func(e tracker.Entry, _ bool) bool { return e.Ready.State == health.Current })
			if told.Ownership != answer.Ownership || told.Ownership == 0 || told.Legacy || told.UID != answer.UID {
				t.Errorf("the watch tells %+v, the answer was %+v", told, answer)
			}
			if _, err := resource.Patch(t.Context(), "web", types.MergePatchType, []byte(tt.theft),
				metav1.PatchOptions{FieldManager: "thief"}); err != nil {
				t.Fatal(err)
			}
			awaitEntry(t, objects, ref, func(e tracker.Entry, _ bool) bool { return e.Ownership != answer.Ownership })
			objects.Wrote(tt.kind, apply(), 7)
			if e, _ := objects.Get(ref); e.Ownership != answer.Ownership || e.Applied != answer.Ownership || e.Payload != 7 {
				t.Errorf("after our own write it is %+v", e)
			}
			if err := resource.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			awaitEntry(t, objects, ref, func(_ tracker.Entry, ok bool) bool { return !ok })
		})
	}
}

// awaitEntry waits until the tracker reports something about an object.
func awaitEntry(
	t *testing.T, objects *tracker.Tracker, ref tracker.Ref, is func(tracker.Entry, bool) bool,
) tracker.Entry {
	t.Helper()
	changed, cancel := objects.Watch([]tracker.Ref{ref})
	defer cancel()
	giveUp := time.After(patience)
	for {
		entry, ok := objects.Get(ref)
		if is(entry, ok) {
			return entry
		}
		select {
		case <-changed:
		case <-giveUp:
			t.Fatalf("never reported; known is %v, %+v", ok, entry)
		}
	}
}
