package drift

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"fairlead.dev/fairlead/api/v1beta1"
)

// quantities are the fields whose values the API server writes in its own way: 1000m becomes 1.
var quantities = []string{"limits", "requests", "capacity", "hard", "overhead"}

// Subset returns the fields in which an object in the cluster differs from what was sent for it, by comparing the two.
// It is for objects that cannot be applied, or whose owners are not known: what the API server makes of a value is not
// known then either, except for quantities.
func Subset(live *unstructured.Unstructured, payload map[string]any, mask func(string) string) []Field {
	s := subset{owners: ownersOf(live), show: printerFor(live, mask), found: fields{}}
	for _, name := range slices.Sorted(maps.Keys(payload)) {
		switch name {
		case "apiVersion", "kind", "status":
			continue
		}

		was, ok := live.Object[name]
		s.compare(fieldpath.Path{fieldpath.FieldNameElement(name)}, found{was, ok}, payload[name])
	}

	return s.found.sorted()
}

type subset struct {
	owners []owner
	show   printer
	found  fields
}

func (s subset) compare(at fieldpath.Path, was found, wants any) {
	if !was.there {
		if wants != nil && !isEmpty(wants) && !unset(at, wants) {
			s.found.add(Field{Path: s.show.path(at), Change: v1beta1.DriftRemoved, Wants: s.show.value(wants)})
		}
		return
	}

	switch wants := wants.(type) {
	case map[string]any:
		if has, ok := was.value.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(wants)) {
				below, ok := has[name]
				s.compare(append(slices.Clip(at), fieldpath.FieldNameElement(name)), found{below, ok}, wants[name])
			}
			return
		}
	case []any:
		if has, ok := was.value.([]any); ok && s.list(at, has, wants) {
			return
		}
	}

	if equal(was.value, wants) || sameQuantity(at, was.value, wants) {
		return
	}

	field := Field{
		Path: s.show.path(at), Change: v1beta1.DriftChanged, Was: s.show.value(was.value), Wants: s.show.value(wants),
	}
	field.Manager, field.Since = otherManager(s.owners, at)
	s.found.add(field)
}

// list compares lists item by item: by name where every item has one of its own, else one after the other. It returns
// false when there is no telling which item is which.
func (s subset) list(at fieldpath.Path, has, wants []any) bool {
	if named(has) && named(wants) {
		for _, item := range wants {
			element := fieldpath.KeyElement(
				value.Field{Name: "name", Value: value.NewValueInterface(item.(map[string]any)["name"])})
			was := found{}
			was.value, _, was.there = child(has, element)
			s.compare(append(slices.Clip(at), element), was, item)
		}
		return true
	}

	if len(has) != len(wants) {
		return false
	}

	for i, item := range wants {
		s.compare(append(slices.Clip(at), fieldpath.IndexElement(i)), found{has[i], true}, item)
	}

	return true
}

// named reports whether every item is a map with a name of its own.
func named(items []any) bool {
	seen := map[string]bool{}
	for _, item := range items {
		fields, _ := item.(map[string]any)
		name, ok := fields["name"].(string)
		if !ok || seen[name] {
			return false
		}

		seen[name] = true
	}

	return true
}

// isEmpty values are dropped by the API server.
func isEmpty(of any) bool {
	switch of := of.(type) {
	case map[string]any:
		return len(of) == 0
	case []any:
		return len(of) == 0
	}
	return false
}

func sameQuantity(at fieldpath.Path, a, b any) bool {
	if !slices.ContainsFunc(at, func(e fieldpath.PathElement) bool {
		return e.FieldName != nil && slices.Contains(quantities, *e.FieldName)
	}) {
		return false
	}

	one, err := resource.ParseQuantity(printer{}.value(a))
	if err != nil {
		return false
	}

	other, err := resource.ParseQuantity(printer{}.value(b))
	return err == nil && one.Cmp(other) == 0
}
