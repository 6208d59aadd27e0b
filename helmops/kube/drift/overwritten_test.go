package drift

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestOverwritten(t *testing.T) {
	t.Parallel()
	object := func(paths ...string) Object {
		out := Object{Kind: "ConfigMap", Namespace: "apps", Name: "web"}
		for _, path := range paths {
			out.Fields = append(out.Fields, Field{Path: path, Change: v1beta1.DriftChanged})
		}
		return out
	}
	gone := Object{Kind: "ConfigMap", Namespace: "apps", Name: "web", Missing: true}
	other := object(".data.a")
	other.Name = "db"
	image := `.spec.containers[name="web"].image`
	for _, tt := range []struct {
		name           string
		found, changes []Object
		// goes is set when the write deletes the object.
		goes bool
		want []Object
	}{
		{name: "a field that the write sets otherwise", found: []Object{object(".data.a")},
			changes: []Object{object(".data.a", ".data.b")}, want: []Object{object(".data.a")}},
		{name: "a field that the write sets to the same value", found: []Object{object(".data.a")},
			changes: []Object{object(".data.b")}},
		{name: "an object that the write does not change", found: []Object{object(".data.a")},
			changes: []Object{other}},
		{name: "only some of the fields", found: []Object{object(".data.a", ".data.b")},
			changes: []Object{object(".data.b")}, want: []Object{object(".data.b")}},
		{name: "a field of a list that is replaced", found: []Object{object(image)},
			changes: []Object{object(".spec.containers")}, want: []Object{object(image)}},
		{name: "a field above the one that changes", found: []Object{object(".data")},
			changes: []Object{object(".data.a")}, want: []Object{object(".data")}},
		{name: "a field with a name that another one begins with", found: []Object{object(".data.a")},
			changes: []Object{object(".data.ab")}},
		{name: "a deleted object that is created again", found: []Object{gone}, changes: []Object{gone},
			want: []Object{gone}},
		{name: "a deleted object that is no longer wanted", found: []Object{gone}, goes: true},
		{name: "an edited object that is deleted", found: []Object{object(".data.a")}, goes: true,
			want: []Object{object(".data.a")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Overwritten(tt.found, tt.changes, func(Object) bool { return !tt.goes })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
