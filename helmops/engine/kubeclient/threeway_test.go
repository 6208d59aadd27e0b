package kubeclient

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/test/build"
)

func TestThreeWay(t *testing.T) {
	t.Parallel()
	const config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: web}\n"
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
	tests := []struct {
		name                 string
		former, wanted, live string
		kind                 types.PatchType
		want                 string
	}{
		{name: "nothing", former: config, wanted: config, live: config + "data: {foreign: a}\n",
			kind: types.StrategicMergePatchType, want: `{}`},
		{name: "added, changed and removed",
			former: config + "data: {a: '1', b: '1', c: '1'}\n", wanted: config + "data: {a: '1', b: '2', d: '1'}\n",
			live: config + "data: {a: '1', b: '1', c: '1', foreign: a}\n",
			kind: types.StrategicMergePatchType, want: `{"data":{"b":"2","c":null,"d":"1"}}`},
		{name: "what others changed is set back",
			former: config + "data: {a: '1'}\n", wanted: config + "data: {a: '1'}\n", live: config + "data: {a: other}\n",
			kind: types.StrategicMergePatchType, want: `{"data":{"a":"1"}}`},
		{name: "what others removed is not removed again",
			former: config + "data: {a: '1'}\n", wanted: config, live: config,
			kind: types.StrategicMergePatchType, want: `{"data":null}`},
		{name: "items of a list are merged by their key",
			former: pod + "spec: {containers: [{name: a, image: a:1}, {name: b, image: b:1}]}\n",
			wanted: pod + "spec: {containers: [{name: a, image: a:2}]}\n",
			live:   pod + "spec: {containers: [{name: a, image: a:1}, {name: b, image: b:1}, {name: sidecar, image: s:1}]}\n",
			kind:   types.StrategicMergePatchType,
			want: `{"spec":{"$setElementOrder/containers":[{"name":"a"}],` +
				`"containers":[{"image":"a:2","name":"a"},{"$patch":"delete","name":"b"}]}}`},
		{name: "a list of a custom resource is replaced",
			former: widget + "spec: {items: [{name: a}], size: 1}\n", wanted: widget + "spec: {items: [{name: b}]}\n",
			live: widget + "spec: {items: [{name: a}, {name: foreign}], size: 1, color: red}\n",
			kind: types.MergePatchType, want: `{"spec":{"items":[{"name":"b"}],"size":null}}`},
		{name: "a custom resource that others changed is set back",
			former: widget + "spec: {size: 1}\n", wanted: widget + "spec: {size: 1}\n", live: widget + "spec: {size: 2}\n",
			kind: types.MergePatchType, want: `{"spec":{"size":1}}`},
		{name: "a custom resource without a difference",
			former: widget + "spec: {size: 1}\n", wanted: widget + "spec: {size: 1}\n",
			live: widget + "spec: {size: 1, color: red}\n",
			kind: types.MergePatchType, want: `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live := build.Object(t, tt.live)
			got, err := threeWay(live.GroupVersionKind(), build.Object(t, tt.former).Object, build.Object(t, tt.wanted).Object,
				live.Object)
			if err != nil {
				t.Fatal(err)
			}
			if got.kind != tt.kind || string(got.body) != tt.want || got.empty() != (tt.want == "{}") {
				t.Errorf("got %s %s, want %s %s", got.kind, got.body, tt.kind, tt.want)
			}
		})
	}
}

func TestThreeWayQuotesNothing(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{image: hunter2}]}\n"
	wrong := build.Object(t, pod)
	_, err := threeWay(wrong.GroupVersionKind(), wrong.Object, wrong.Object, wrong.Object)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestUpdatesPatch(t *testing.T) {
	t.Parallel()
	const update, apply = metav1.ManagedFieldsOperationUpdate, metav1.ManagedFieldsOperationApply
	at := func(minute int) *metav1.Time {
		return &metav1.Time{Time: time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC)}
	}
	entry := func(manager string, op metav1.ManagedFieldsOperationType, version, field, subresource string,
		minute int) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: manager, Operation: op, APIVersion: version, FieldsType: "FieldsV1", Subresource: subresource,
			Time: at(minute), FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:` + field + `":{}}}`),
		}
	}
	tests := []struct {
		name    string
		entries []metav1.ManagedFieldsEntry
		// want lists manager, operation, version, subresource, minute and fields of what is left; nil when there is no patch.
		want []string
	}{
		{name: "no client has applied", entries: []metav1.ManagedFieldsEntry{entry("helm", update, "v1", "a", "", 1)}},
		{name: "others have applied", entries: []metav1.ManagedFieldsEntry{entry("argocd", apply, "v1", "a", "", 1)}},
		{name: "ours",
			entries: []metav1.ManagedFieldsEntry{entry("helm", apply, "v1", "a", "", 1), entry("x", update, "v1", "b", "", 2)},
			want:    []string{`x Update v1  2 {"f:data":{"f:b":{}}}`, `helm Update v1  1 {"f:data":{"f:a":{}}}`}},
		{name: "ours and that of an update", entries: []metav1.ManagedFieldsEntry{
			entry("helm", apply, "v1", "a", "", 3), entry("helm", update, "v1", "b", "", 1),
		}, want: []string{`helm Update v1  3 {"f:data":{"f:a":{},"f:b":{}}}`}},
		{name: "an update in another version stays apart", entries: []metav1.ManagedFieldsEntry{
			entry("helm", apply, "v2", "a", "", 1), entry("helm", update, "v1", "b", "", 1),
		}, want: []string{`helm Update v1  1 {"f:data":{"f:b":{}}}`, `helm Update v2  1 {"f:data":{"f:a":{}}}`}},
		{name: "what Flux has applied", entries: []metav1.ManagedFieldsEntry{
			entry("helm-controller", apply, "v1", "a", "", 1), entry("helm-controller", update, "v1", "b", "", 1),
		}, want: []string{`helm-controller Update v1  1 {"f:data":{"f:b":{}}}`, `helm Update v1  1 {"f:data":{"f:a":{}}}`}},
		{name: "the status is left alone", entries: []metav1.ManagedFieldsEntry{
			entry("helm", apply, "v1", "a", "", 1), entry("helm", apply, "v1", "s", "status", 1),
		}, want: []string{`helm Apply v1 status 1 {"f:data":{"f:s":{}}}`, `helm Update v1  1 {"f:data":{"f:a":{}}}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live := &unstructured.Unstructured{Object: map[string]any{}}
			live.SetResourceVersion("7")
			live.SetManagedFields(tt.entries)
			patch, err := updatesPatch(live)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == nil {
				if patch != nil {
					t.Errorf("got %s", patch)
				}
				return
			}
			if diff := cmp.Diff(tt.want, entriesOf(t, patch)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// entriesOf lists the managedFields that a patch sets on version 7 of an object.
func entriesOf(t *testing.T, patch []byte) []string {
	t.Helper()
	var operations []struct {
		Path  string
		Value json.RawMessage
	}
	if err := json.Unmarshal(patch, &operations); err != nil || len(operations) != 2 ||
		string(operations[1].Value) != `"7"` {
		t.Fatalf("patch %s: %v", patch, err)
	}
	var fields []metav1.ManagedFieldsEntry
	if err := yaml.Unmarshal(operations[0].Value, &fields); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range fields {
		line := []string{
			f.Manager, string(f.Operation), f.APIVersion, f.Subresource, f.Time.UTC().Format("4"), f.FieldsV1.GetRawString(),
		}
		out = append(out, strings.Join(line, " "))
	}
	return out
}

func TestUpdatesPatchOfFieldsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	live := &unstructured.Unstructured{Object: map[string]any{}}
	for _, op := range []metav1.ManagedFieldsOperationType{
		metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate,
	} {
		live.SetManagedFields(append(live.GetManagedFields(), metav1.ManagedFieldsEntry{
			Manager: "helm", Operation: op, APIVersion: "v1", FieldsV1: metav1.NewFieldsV1(`{"f:data":1}`),
		}))
	}
	if patch, err := updatesPatch(live); err == nil {
		t.Errorf("got %s", patch)
	}
}
