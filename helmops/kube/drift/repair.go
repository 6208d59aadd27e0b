package drift

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Repair is the JSON patch that gives an object in the cluster what it lacks of a manifest, nil when it lacks
// nothing. It is for objects that cannot be applied. Items of a list are matched by name where each has one of its
// own; any other list that differs is replaced as a whole, because a merge by key loses items that share a key.
// The patch fails with a conflict when the object has changed since it was read.
func Repair(live *unstructured.Unstructured, payload map[string]any) []byte {
	var steps []operation
	for _, name := range slices.Sorted(maps.Keys(payload)) {
		switch name {
		case "apiVersion", "kind", "status":
			continue
		}

		was, there := live.Object[name]
		steps = repair(steps, fieldpath.Path{fieldpath.FieldNameElement(name)}, "/"+escaped(name), found{was, there},
			payload[name])
	}

	if len(steps) == 0 {
		return nil
	}

	steps = append(steps, operation{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()})
	patch, err := json.Marshal(steps)
	if err != nil {
		return nil // it was read from JSON
	}

	return patch
}

// repair adds the steps for one place of an object.
func repair(steps []operation, at fieldpath.Path, pointer string, was found, wants any) []operation {
	if !differs(at, was, wants) {
		return steps
	}

	switch wants := wants.(type) {
	case map[string]any:
		has, ok := was.value.(map[string]any)
		if !ok {
			break
		}

		for _, name := range slices.Sorted(maps.Keys(wants)) {
			below, there := has[name]
			path := append(slices.Clip(at), fieldpath.FieldNameElement(name))
			steps = repair(steps, path, pointer+"/"+escaped(name), found{below, there}, wants[name])
		}

		return steps
	case []any:
		has, ok := was.value.([]any)
		if !ok || !named(has) || !named(wants) {
			break
		}

		return repairItems(steps, at, pointer, has, wants)
	}

	return append(steps, operation{Op: "add", Path: pointer, Value: wants})
}

// repairItems adds the steps for the items of a list that have names.
func repairItems(steps []operation, at fieldpath.Path, pointer string, has, wants []any) []operation {
	for _, item := range wants {
		name := item.(map[string]any)["name"]
		n := slices.IndexFunc(has, func(one any) bool { return one.(map[string]any)["name"] == name })
		if n < 0 {
			steps = append(steps, operation{Op: "add", Path: pointer + "/-", Value: item})
			continue
		}

		path := append(slices.Clip(at), fieldpath.IndexElement(n))
		steps = repair(steps, path, pointer+"/"+strconv.Itoa(n), found{has[n], true}, item)
	}
	return steps
}

// differs reports whether an object lacks something of a value at one place.
func differs(at fieldpath.Path, was found, wants any) bool {
	s := subset{found: fields{}}
	s.compare(at, was, wants)
	return len(s.found) > 0
}

// escaped is a name as a JSON pointer has it.
func escaped(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// Unheld splits the differences of an object into those that a repair removes, and those that it leaves, because
// the API server does not keep what the manifest says. would is the object after the repair, or after a trial of
// it.
func Unheld(differences []Field, would *unstructured.Unstructured, payload map[string]any) (held, unheld []Field) {
	left := map[string]bool{}
	for _, field := range Subset(would, payload, nil) {
		left[field.Path] = true
	}

	for _, field := range differences {
		if left[field.Path] {
			unheld = append(unheld, field)
		} else {
			held = append(held, field)
		}
	}

	return held, unheld
}

// unset reports whether a value that an object lacks means the same as none: the API server leaves out false, zero
// and an empty text where a field has no other default. Under data and metadata every key counts.
func unset(at fieldpath.Path, wants any) bool {
	if first := at[0].FieldName; first != nil {
		switch *first {
		case "data", "binaryData", "metadata":
			return false
		}
	}
	return zero(wants)
}

// zero reports whether the API server may leave out a value where a field has no other default.
func zero(wants any) bool {
	return equal(wants, false) || equal(wants, "") || equal(wants, int64(0))
}

// UnheldNote names the fields that the API server does not keep.
func UnheldNote(unheld []Field) string {
	return "the API server does not keep what the manifest says of " + Named(unheld)
}
