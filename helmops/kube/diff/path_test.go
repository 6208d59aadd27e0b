package diff

import (
	"reflect"
	"testing"
)

// Every path that Compare names leads to the value that it shows.
func TestAtFollowsThePathsOfFields(t *testing.T) {
	t.Parallel()
	const before = `apiVersion: v1
kind: Thing
metadata: {name: a, annotations: {example.com/x: one}}
spec:
  plain: one
  "with \"quotes\" and ]": one
  named: [{name: "a]b", image: one}, {name: c, image: one}]
  list: [one, [one], {below: one}]
`
	const after = `apiVersion: v1
kind: Thing
metadata: {name: a, annotations: {example.com/x: two}}
spec:
  plain: two
  "with \"quotes\" and ]": two
  named: [{name: "a]b", image: two}, {name: c, image: two}]
  list: [two, [two], {below: two}]
`
	changes, err := Compare(before, after, "", nil)
	if err != nil || len(changes) != 1 || len(changes[0].Fields) != 8 {
		t.Fatalf("%v, %v", changes, err)
	}

	had, _ := Objects(before)
	has, _ := Objects(after)
	for _, f := range changes[0].Fields {
		was, found := At(had[0], f.Path)
		is, also := At(has[0], f.Path)
		if !found || !also || was != "one" || is != "two" {
			t.Errorf("at %s there are %v and %v", f.Path, was, is)
		}
	}

	for _, path := range []string{".spec.none", ".spec.list[3]", ".spec.list[x", `.spec.named[name="z"]`, `.spec["a`,
		".spec.plain.below", `.spec.named[name=z]`, ".spec.list[-1]", "x"} {
		if value, found := At(has[0], path); found {
			t.Errorf("at %s there is %v", path, value)
		}
	}
	if value, found := At(has[0], ""); !found || !reflect.DeepEqual(value, any(has[0])) {
		t.Errorf("at the top there is %v", value)
	}
}
