package kubeclient

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestProtects(t *testing.T) {
	t.Parallel()
	back := &Rollback{Protect: []string{"Secret", "Widget.example.com"}}
	tests := map[string]struct {
		rollback *Rollback
		kind     schema.GroupKind
		want     bool
	}{
		"no rollback":        {nil, schema.GroupKind{Kind: "PersistentVolumeClaim"}, false},
		"a claim":            {back, schema.GroupKind{Kind: "PersistentVolumeClaim"}, true},
		"a definition":       {back, schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}, true},
		"a namespace":        {&Rollback{}, schema.GroupKind{Kind: "Namespace"}, true},
		"a kind":             {back, schema.GroupKind{Kind: "Secret"}, true},
		"a kind of a group":  {back, schema.GroupKind{Group: "example.com", Kind: "Widget"}, true},
		"of another group":   {back, schema.GroupKind{Group: "example.org", Kind: "Widget"}, false},
		"anything else":      {back, schema.GroupKind{Kind: "ConfigMap"}, false},
		"a namesake of ours": {back, schema.GroupKind{Group: "example.com", Kind: "Namespace"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.rollback.protects(tt.kind); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestAClaimDoesNotShrink(t *testing.T) {
	t.Parallel()
	claim := func(size string) *unstructured.Unstructured {
		object := map[string]any{"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{}}}}
		if size != "" {
			_ = unstructured.SetNestedField(object, size, storagePath...)
		}
		return &unstructured.Unstructured{Object: object}
	}
	for _, tt := range []struct{ live, wanted, want string }{
		{"2Gi", "1Gi", "2Gi"}, {"1Gi", "2Gi", "2Gi"}, {"1Gi", "1024Mi", "1024Mi"}, {"", "1Gi", "1Gi"},
		{"large", "1Gi", "1Gi"},
	} {
		wanted := claim(tt.wanted)
		got := wanted
		if size, grown := larger(claim(tt.live), wanted); grown {
			got = resized(wanted, size)
		}
		if size, _, _ := unstructured.NestedString(got.Object, storagePath...); size != tt.want {
			t.Errorf("%q goes back to %q as %q, want %q", tt.live, tt.wanted, size, tt.want)
		}
		if size, _, _ := unstructured.NestedString(wanted.Object, storagePath...); size != tt.wanted {
			t.Errorf("the manifest that others share was changed to %q", size)
		}
	}
}
