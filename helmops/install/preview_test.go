package install

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/test/build"
)

// A preview names labels, annotations and the rest of an object, and neither its status nor what the API server writes.
func TestChangeNamesTheFieldsThatDiffer(t *testing.T) {
	t.Parallel()
	live := build.Object(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps, generation: 1, resourceVersion: "1", labels: {a: x}, annotations: {gone: old, path/key: z}}
spec: {replicas: 2, paused: true}
status: {replicas: 2}
`)
	would := build.Object(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps, generation: 2, resourceVersion: "2", labels: {a: b}, annotations: {path/key: z}}
spec: {replicas: 1, minReadySeconds: 3}
status: {replicas: 1}
`)
	got, err := changeOf(apply.Previewed{Live: live, Would: would})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`remove /metadata/annotations/gone: "old"`,
		`replace /metadata/labels/a: "x" → "b"`,
		"add /spec/minReadySeconds: 3",
		"remove /spec/paused: true",
		"replace /spec/replicas: 2 → 1",
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" || got.Action != Changed || got.Object != "Deployment apps/web" {
		t.Errorf("%s %s (-want +got):\n%s", got.Action, got.Object, diff)
	}
}

func TestChangeOfAnObject(t *testing.T) {
	t.Parallel()
	object := build.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: apps, labels: {a: b}}}")
	bare := build.Object(t, "{apiVersion: v1, kind: Namespace, metadata: {name: apps, resourceVersion: '7'}}")
	for name, tt := range map[string]struct {
		previewed apply.Previewed
		action    Action
		fields    []string
	}{
		"it does not exist":            {apply.Previewed{Would: object}, Created, nil},
		"it is not wanted":             {apply.Previewed{Live: object}, Deleted, nil},
		"it stays as it is":            {apply.Previewed{Live: object, Would: object.DeepCopy()}, "", nil},
		"it gets its first labels":     {apply.Previewed{Live: bare, Would: object}, Changed, []string{`add /metadata/labels: {"a":"b"}`}},
		"another version of it is out": {apply.Previewed{Live: bare, Would: bare.DeepCopy()}, "", nil},
	} {
		got, err := changeOf(tt.previewed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.fields, got.Fields); diff != "" || got.Action != tt.action {
			t.Errorf("%s: %q (-want +got):\n%s", name, got.Action, diff)
		}
	}
}

func TestAValueIsCut(t *testing.T) {
	t.Parallel()
	if got, want := shown(strings.Repeat("ä", 2*maxValue)), `"`+strings.Repeat("ä", maxValue-1)+"…"; got != want {
		t.Errorf("it is %s", got)
	}
}
