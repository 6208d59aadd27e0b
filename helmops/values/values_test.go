package values

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMerge(t *testing.T) {
	tests := []struct {
		name   string
		layers []string
		want   map[string]any
	}{
		{name: "no layers give no values", want: map[string]any{}},
		{name: "an empty document gives no values", layers: []string{""}, want: map[string]any{}},
		{
			name:   "later layers win, maps are merged",
			layers: []string{"a: 1\nm: {x: 1, k: 2}", "m: {k: 3, z: 4}\nb: two"},
			want: map[string]any{"a": float64(1), "b": "two",
				"m": map[string]any{"x": float64(1), "k": float64(3), "z": float64(4)}},
		},
		{
			name:   "lists are replaced, not merged",
			layers: []string{"l: [1, 2]", "l: [3]"},
			want:   map[string]any{"l": []any{float64(3)}},
		},
		{
			name:   "a null is kept, it drops the chart's default",
			layers: []string{"m: {x: 1}", "m: {x: null}"},
			want:   map[string]any{"m": map[string]any{"x": nil}},
		},
		{
			name:   "a scalar replaces a map and a map a scalar",
			layers: []string{"a: {x: 1}\nb: 1", "a: 1\nb: {x: 1}"},
			want:   map[string]any{"a": float64(1), "b": map[string]any{"x": float64(1)}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var layers []Layer
			for _, l := range tt.layers {
				layers = append(layers, Layer{Origin: "test", Data: []byte(l)})
			}
			got, err := Merge(layers...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeErrorsNameTheLayerAndQuoteNothing(t *testing.T) {
	const secret = "hunter2"
	documents := []string{
		"password: " + secret + "\n  broken: [",
		secret,
		"- " + secret,
		"a: &x [*x, " + secret,
		"\t" + secret + ": 1",
	}
	for _, doc := range documents {
		_, err := Merge(Layer{Origin: "Secret apps/db, key values.yaml", Data: []byte(doc)})
		if err == nil {
			t.Errorf("%q was accepted", doc)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the Secret: %v", err)
		}
		if !strings.Contains(err.Error(), "Secret apps/db, key values.yaml") {
			t.Errorf("the error does not name the layer: %v", err)
		}
	}
}

func TestMergeRefusesTooMuch(t *testing.T) {
	_, err := Merge(Layer{Origin: "ConfigMap apps/big", Data: []byte("a: " + strings.Repeat("x", MaxSize))})
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error = %v, want the size limit", err)
	}
}

func TestDigest(t *testing.T) {
	a, b := map[string]any{"a": 1, "b": 2}, map[string]any{"b": 2, "a": 1}
	if Digest(a) != Digest(b) {
		t.Error("the order of keys changes the digest")
	}
	if Digest(nil) != Digest(map[string]any{}) {
		t.Error("no values and empty values differ")
	}
	if Digest(a) == Digest(map[string]any{"a": 1}) {
		t.Error("different values have one digest")
	}
	if Digest(map[string]any{"a": nil}) == Digest(nil) {
		t.Error("a null is lost")
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("a: 1"), []byte("a: {b: [1, {c: null}]}"))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		first, err := Merge(Layer{Data: one}, Layer{Data: two})
		if err != nil {
			return
		}
		second, err := Merge(Layer{Data: one}, Layer{Data: two})
		if err != nil || Digest(first) != Digest(second) {
			t.Fatalf("merging twice differs: %v", err)
		}
	})
}
