package drift

import (
	"encoding/json"
	"testing"

	"fairlead.dev/fairlead/test/build"
)

func TestRepair(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, live, wants, want string }{
		{"nothing is lacking",
			mainOf("image: a, imagePullPolicy: Always, env: [{name: A, value: '1'}, {name: A, value: '2'}]"),
			mainOf("image: a, env: [{name: A, value: '1'}, {name: A, value: '2'}]"), ``},
		{"a merge dropped an item", mainOf("env: [{name: A, value: '2'}]"),
			mainOf("env: [{name: A, value: '1'}, {name: A, value: '2'}]"),
			`[{"op":"add","path":"/spec/containers/1/env","value":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}]`},
		{"a merge dropped both ports", mainOf("image: a"), mainOf("image: a, ports: [{containerPort: 53, protocol: TCP}]"),
			`[{"op":"add","path":"/spec/containers/1/ports","value":[{"containerPort":53,"protocol":"TCP"}]}]`},
		{"an item has another value", mainOf("env: [{name: B, value: b}, {name: A, value: b}]"),
			mainOf("env: [{name: A, value: a}]"),
			`[{"op":"add","path":"/spec/containers/1/env/1/value","value":"a"}]`},
		{"an item with a name is missing", mainOf("env: [{name: B, value: b}]"), mainOf("env: [{name: A, value: a}]"),
			`[{"op":"add","path":"/spec/containers/1/env/-","value":{"name":"A","value":"a"}}]`},
		{"names are escaped", podOf("{nodeSelector: {c: d}}"), podOf("{nodeSelector: {a/b~c: d}}"),
			`[{"op":"add","path":"/spec/nodeSelector/a~1b~0c","value":"d"}]`},
		{"what means the same as nothing", podOf("{a: {}}"),
			podOf("{hostNetwork: false, subdomain: '', x: 0, tolerations: []}"), ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			live := build.Object(t, tt.live)
			live.SetResourceVersion("7")
			got := Repair(live, build.Object(t, tt.wants).Object)
			if tt.want == "" {
				if got != nil {
					t.Errorf("got %s", got)
				}
				return
			}
			var steps []json.RawMessage
			if err := json.Unmarshal(got, &steps); err != nil {
				t.Fatal(err)
			}
			if last := string(steps[len(steps)-1]); last != `{"op":"replace","path":"/metadata/resourceVersion","value":"7"}` {
				t.Errorf("it does not guard against a change: %s", last)
			}
			if first, err := json.Marshal(steps[:len(steps)-1]); err != nil || string(first) != tt.want {
				t.Errorf("got %s, want %s", first, tt.want)
			}
		})
	}
}

// A key of data that is gone is a difference, whatever its value.
func TestDataIsNeverUnset(t *testing.T) {
	t.Parallel()
	live := build.Object(t, "{apiVersion: v1, kind: ConfigMap, data: {b: ''}}")
	if got := Subset(live, build.Object(t, "{apiVersion: v1, kind: ConfigMap, data: {a: '', b: ''}}").Object,
		nil); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestUnheld(t *testing.T) {
	t.Parallel()
	live, would := build.Object(t, podOf("{a: b}")), build.Object(t, podOf("{a: c}"))
	wants := build.Object(t, podOf("{a: c, unknown: 1}")).Object
	held, unheld := Unheld(Subset(live, wants, nil), would, wants)
	if len(held) != 1 || held[0].Path != ".spec.a" || len(unheld) != 1 || unheld[0].Path != ".spec.unknown" {
		t.Errorf("got %v and %v", held, unheld)
	}
	if note := UnheldNote(unheld); note != "the API server does not keep what the manifest says of spec.unknown" {
		t.Error(note)
	}
}
