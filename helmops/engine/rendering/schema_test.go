package rendering

import (
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/helmops/process/worker"
)

// withSchema returns a chart with a schema.
func withSchema(name, schema string, subcharts ...*chart.Chart) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{Name: name, Version: "1.3.0"}}
	if schema != "" {
		c.Schema = []byte(schema)
	}
	c.SetDependencies(subcharts...)
	return c
}

func TestSchemaErrors(t *testing.T) {
	t.Parallel()
	const replicas = `{"properties": {"replicas": {"type": "integer"}, "image": {"properties": {"tag": {"type": "string"}}}}}`
	fromSpec := func(path []string) string {
		if path[0] == "replicas" {
			return "spec.values"
		}
		return ""
	}
	tests := []struct {
		name   string
		chart  *chart.Chart
		values map[string]any
		want   string // empty when nothing is wrong
	}{
		{"values that fit", withSchema("web", replicas), map[string]any{"replicas": 2}, ""},
		{"one value", withSchema("web", replicas), map[string]any{"replicas": "two"},
			"values break the schema of web 1.3.0: replicas: got string, want integer (from spec.values)"},
		{"two values", withSchema("web", replicas), map[string]any{"replicas": "two", "image": map[string]any{"tag": 1}},
			"values break the schema of web 1.3.0: image.tag: got number, want string; replicas: got string, want integer (from spec.values)"},
		{"a value that is missing", withSchema("web", `{"required": ["host"]}`), nil,
			"values break the schema of web 1.3.0: missing property 'host'"},
		{"a subchart", withSchema("web", "", withSchema("part", replicas)),
			map[string]any{"part": map[string]any{"replicas": "two"}},
			"values break the schema of part 1.3.0: part.replicas: got string, want integer"},
		{"a subchart whose values are none", withSchema("web", "", withSchema("part", replicas)),
			map[string]any{"part": "two"},
			"values break the schema of part 1.3.0: part: invalid type for values: expected object (map), got string"},
		{"alternatives", withSchema("web", `{"properties": {"port": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}`),
			map[string]any{"port": "http"},
			"values break the schema of web 1.3.0: port: no alternative holds: got string, want integer; or got string, want null"},
		{"a schema that is none", withSchema("web", `{"type": "house"}`), nil, "'https://json-schema.org/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := checkSchemas(tt.chart, tt.values)
			if tt.want == "" {
				if err != nil {
					t.Errorf("error = %v", err)
				}
				return
			}
			failed, is := err.(*SchemaError)
			if !is {
				t.Fatalf("error = %v", err)
			}
			sent := schemaErrorOf(&worker.JobError{Text: failed.Error(), Code: failed.Code(), Detail: failed.Detail()})
			received, is := sent.(*SchemaError)
			if !is {
				t.Fatalf("received = %v", sent)
			}
			if got := received.Describe(fromSpec); got != tt.want &&
				(!strings.HasPrefix(tt.want, "'") || !strings.Contains(got, tt.want)) {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// A chart can find fault with very many values, and keys and texts can be long.
func TestSchemaErrorsAreBounded(t *testing.T) {
	t.Parallel()
	values := map[string]any{}
	for i := range 100 {
		values[strings.Repeat("k", 100*i+1)] = strings.Repeat("v", 10_000)
	}
	err := checkSchemas(withSchema("web", `{"additionalProperties": {"const": 1, "pattern": "^a$"}}`), values)
	if err == nil || len(err.Error()) > maxProblems*(maxPathText+maxProblemText+10)+100 ||
		!strings.HasSuffix(err.Error(), " more") {
		t.Errorf("the error has %d bytes: %.200v", len(err.Error()), err)
	}
}
