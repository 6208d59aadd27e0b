package ssa

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	out := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &out.Object); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPayload(t *testing.T) {
	tests := []struct{ name, given, want string }{
		{name: "nulls of built-in kinds mean nothing",
			given: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, annotations: null}, spec: {replicas: null, template: {spec: {containers: [{name: a, env: null}]}}}}`,
			want:  `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: {spec: {containers: [{name: a}]}}}}`},
		{name: "empty maps and lists stay",
			given: `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {volumes: [{name: a, emptyDir: {}}], tolerations: []}}`,
			want:  `{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {volumes: [{name: a, emptyDir: {}}], tolerations: []}}`},
		{name: "nulls of other kinds may mean something",
			given: `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, spec: {limit: null}}`,
			want:  `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, spec: {limit: null}}`},
		{name: "stringData is data, and wins",
			given: `{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: b2xk, b: b2xk}, stringData: {a: new}}`,
			want:  `{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {a: bmV3, b: b2xk}}`},
		{name: "stringData that is no text is left for the API server to refuse",
			given: `{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: 1}}`,
			want:  `{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: 1}}`},
		{name: "a key without a value is an empty text",
			given: `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: null, b: c}}`,
			want:  `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: "", b: c}}`},
		{name: "no data at all stays none",
			given: `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: null}`,
			want:  `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`},
		{name: "a status is nobody's wish",
			given: `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {ready: true}}`,
			want:  `{apiVersion: example.com/v1, kind: Thing, metadata: {name: a}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := parsed(t, tt.given)
			before := given.DeepCopy()
			body, err := ApplyBody(given)
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]any
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, tt.want).Object, got); diff != "" {
				t.Errorf("payload (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before.Object, given.Object); diff != "" {
				t.Errorf("the object itself was changed:\n%s", diff)
			}
		})
	}
}
