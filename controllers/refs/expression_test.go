package refs

import (
	"fmt"
	"strings"
	"testing"
)

func TestExpressions(t *testing.T) {
	dep := map[string]any{
		"metadata": map[string]any{"name": "db", "generation": int64(3)},
		"status": map[string]any{"observedGeneration": int64(3), "history": []any{map[string]any{"appVersion": "16.2"}},
			"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}},
	}
	self := map[string]any{"metadata": map[string]any{"annotations": map[string]any{"wants": "16.2"}}}
	tests := []struct {
		text  string
		holds bool
		err   string
	}{
		{text: "true", holds: true},
		{text: "dep.metadata.generation == dep.status.observedGeneration", holds: true},
		{text: "dep.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')"},
		{text: "dep.status.history[0].appVersion == self.metadata.annotations['wants']", holds: true},
		{text: "dep.?status.?phase.orValue('') == 'Done'"},
		{text: "dep.status.observedGeneration > 2.5", holds: true},
		{text: "dep.metadata.name.upperAscii() == 'DB'", holds: true},
		{text: "dep.status.phase == 'Done'", err: "no such key: phase"},
		{text: "dep.metadata.name", err: "it does not give a bool"},
		{text: "1 + 1", err: "it gives a value of type int, want bool"},
		{text: "dep.", err: "line 1, column 5: "},
		{text: "other.ready", err: "line 1, column 1: undeclared reference to 'other'"},
		{
			text: strings.Repeat("[0,1,2,3,4,5,6,7,8,9].all(x, ", 7) + "x < 10" + strings.Repeat(")", 7),
			err:  "cost limit exceeded",
		},
		{text: strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), err: "expression recursion limit exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.text[:min(len(tt.text), 40)], func(t *testing.T) {
			t.Parallel()
			e, err := NewExpressions()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // compiled, and taken from memory
				holds, err := e.holds(t.Context(), tt.text, dep, self)
				if holds != tt.holds || (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("%v, %v; want %v, %q", holds, err, tt.holds, tt.err)
				}
				if err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("the error has several lines: %s", err)
				}
			}
		})
	}
}

func TestExpressionsAreCompiledOnceAndBounded(t *testing.T) {
	t.Parallel()
	e, err := NewExpressions()
	if err != nil {
		t.Fatal(err)
	}
	first, err := e.compile("dep == self")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := e.compile("dep == self"); again != first {
		t.Error("it was compiled twice")
	}
	for i := range maxExpressions + 10 {
		if _, err := e.compile(fmt.Sprintf("dep.a == %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.programs.Len(); n != maxExpressions {
		t.Errorf("%d are kept", n)
	}
	if _, err := e.holds(t.Context(), "'text' == dep", nil, nil); err != nil &&
		strings.Contains(err.Error(), "does not give a bool") {
		t.Error("a comparison gives no bool")
	}
}
