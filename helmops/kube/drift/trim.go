package drift

import (
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"fairlead.dev/fairlead/api/v1beta1"
)

// kept are fields that are what the object is, and are never left out.
var kept = []pointer{
	{"apiVersion"}, {"kind"}, {"metadata", "name"}, {"metadata", "namespace"},
	{"metadata", "labels", "app.kubernetes.io/managed-by"},
	{"metadata", "annotations", "meta.helm.sh/release-name"},
	{"metadata", "annotations", "meta.helm.sh/release-namespace"},
	{"metadata", "labels", v1beta1.KustomizationNameLabel}, {"metadata", "labels", v1beta1.KustomizationNamespaceLabel},
}

// WithReplicas is the same with spec.replicas left to an autoscaler.
func (i Ignored) WithReplicas() Ignored {
	i.pointers = append(slices.Clip(i.pointers), pointer{"spec", "replicas"})
	return i
}

// Empty reports whether nothing may differ.
func (i Ignored) Empty() bool { return !i.Whole && len(i.pointers) == 0 && len(i.managers) == 0 }

// Trim returns what is to be applied to an object so that what may differ stays as it is. A field that another manager
// owns, or that the release does not own, is left out: it stays then. One that only the release owns would be removed
// by that; it gets the value that it has. Neither argument is changed. Whole is not looked at.
func (i Ignored) Trim(payload map[string]any, live *unstructured.Unstructured) map[string]any {
	if len(i.pointers) == 0 && len(i.managers) == 0 {
		return payload
	}

	owners := ownersOf(live)
	out := runtime.DeepCopyJSON(payload)
	i.trimMap(out, live.Object, nil, owned{
		all:    union(owners, func(owner) bool { return true }),
		ours:   union(owners, owner.ours),
		others: union(owners, func(o owner) bool { return !o.ours() }),
		named:  union(owners, func(o owner) bool { return i.managers.Has(o.manager) }),
	})
	return out
}

// covers reports whether a pointer of the rules names a field of an object, or something above it.
func (i Ignored) covers(object any, path fieldpath.Path) bool {
	if len(i.pointers) == 0 {
		return false
	}

	var at pointer
	for _, element := range path {
		found, step, ok := child(object, element)
		if !ok {
			return false
		}

		at, object = append(at, step), found
	}

	return i.names(at)
}

func (i Ignored) names(at pointer) bool {
	return slices.ContainsFunc(i.pointers, func(p pointer) bool {
		return len(p) <= len(at) && slices.Equal(p, at[:len(p)])
	})
}

// owned are the field sets at one place of an object.
type owned struct {
	all, ours, others, named *fieldpath.Set
	// is reports which of them have the place itself.
	is struct{ ours, others, named bool }
}

func (o owned) at(element fieldpath.PathElement) owned {
	has := func(set *fieldpath.Set) (*fieldpath.Set, bool) {
		part := below(set, element)
		return part, set.Members.Has(element) || !part.Empty()
	}
	var out owned
	out.all, _ = has(o.all)
	out.ours, out.is.ours = has(o.ours)
	out.others, out.is.others = has(o.others)
	out.named, out.is.named = has(o.named)
	return out
}

// trimMap trims the fields of a map, in place, and reports whether nothing is left of it.
func (i Ignored) trimMap(fields map[string]any, live any, at pointer, owned owned) (nothing bool) {
	before := len(fields)
	for name, value := range fields {
		element := fieldpath.FieldNameElement(name)
		was, _, there := child(live, element)
		stays, ok := i.trim(value, found{was, there}, append(slices.Clip(at), name), owned.at(element))
		if ok {
			fields[name] = stays
		} else {
			delete(fields, name)
		}
	}

	return before > 0 && len(fields) == 0
}

// found is a value of the object in the cluster, if there is one.
type found struct {
	value any
	there bool
}

// trim returns what is left of a value; false for nothing.
func (i Ignored) trim(value any, live found, at pointer, owned owned) (any, bool) {
	is, above := keeps(at)
	if is {
		return value, true
	}

	atomic := owned.all.Empty() && live.there && !above
	switch value := value.(type) {
	case map[string]any:
		if len(value) > 0 && !atomic {
			return value, !i.trimMap(value, live.value, at, owned)
		}
	case []any:
		if len(value) > 0 && !owned.all.Empty() {
			return i.trimList(value, live.value, at, owned)
		}
	}

	return i.trimLeaf(value, live, at, owned)
}

// keeps reports whether a place is never left out, or holds one that is not.
func keeps(at pointer) (is, above bool) {
	for _, p := range kept {
		if len(at) <= len(p) && slices.Equal(p[:len(at)], at) {
			is = is || len(at) == len(p)
			above = true
		}
	}
	return is, above
}

// trimList trims the items of a list that is merged item by item.
func (i Ignored) trimList(items []any, live any, at pointer, owned owned) (any, bool) {
	elements := elementsOf(owned.all)
	left := make([]any, 0, len(items))
	for n, item := range items {
		element, known := elementFor(item, elements)
		was := found{}
		under := owned.at(fieldpath.IndexElement(-1)) // without an owner
		if known {
			under = owned.at(element)
			was.value, _, was.there = child(live, element)
		}

		keys := keysOf(item, elements)
		stays, ok := i.trim(item, was, append(slices.Clip(at), strconv.Itoa(n)), under)
		if !ok {
			continue
		}
		if fields, is := stays.(map[string]any); is {
			maps.Copy(fields, keys)
		}

		left = append(left, stays)
	}

	return left, len(left) > 0
}

// elementsOf are the elements of a set at one place.
func elementsOf(set *fieldpath.Set) []fieldpath.PathElement {
	return slices.AppendSeq(slices.Collect(set.Members.All()), set.Children.All())
}

// elementFor finds the element that names an item.
func elementFor(item any, elements []fieldpath.PathElement) (fieldpath.PathElement, bool) {
	for _, element := range elements {
		if indexOf([]any{item}, element) == 0 && element.Index == nil {
			return element, true
		}
	}
	return fieldpath.PathElement{}, false
}

// keysOf are the fields that identify an item; they stay with what is left of it.
func keysOf(item any, elements []fieldpath.PathElement) map[string]any {
	fields, ok := item.(map[string]any)
	if !ok {
		return nil
	}

	keys := map[string]any{}
	for _, element := range elements {
		if element.Key == nil {
			continue
		}
		for _, part := range *element.Key {
			if has, ok := fields[part.Name]; ok {
				keys[part.Name] = has
			}
		}
	}

	return keys
}

// trimLeaf decides about a value that is owned as a whole.
func (i Ignored) trimLeaf(value any, live found, at pointer, owned owned) (any, bool) {
	if !i.names(at) && !owned.is.named {
		return i.within(value, live, at), true
	}
	switch {
	case owned.is.others, !owned.is.ours:
		return nil, false
	case live.there:
		return runtime.DeepCopyJSONValue(live.value), true
	default:
		return value, true
	}
}

// within puts what the object has in the places inside a value that may differ. The value can only be applied as a
// whole.
func (i Ignored) within(value any, live found, at pointer) any {
	if !live.there {
		return value
	}
	for _, p := range i.pointers {
		if len(p) > len(at) && slices.Equal(p[:len(at)], at) {
			value = setAt(value, live.value, p[len(at):])
		}
	}
	return value
}

// setAt gives one place of a value what another value has there.
func setAt(into, from any, at pointer) any {
	if len(at) == 0 {
		return runtime.DeepCopyJSONValue(from)
	}

	switch into := into.(type) {
	case map[string]any:
		source, ok := from.(map[string]any)
		if !ok && from != nil {
			return into
		}

		below, has := source[at[0]]
		_, had := into[at[0]]
		switch {
		case !has && len(at) == 1:
			delete(into, at[0])
		case had || len(at) == 1:
			into[at[0]] = setAt(into[at[0]], below, at[1:])
		}
	case []any:
		source, ok := from.([]any)
		n, err := strconv.Atoi(at[0])
		if ok && err == nil && n >= 0 && n < len(into) && n < len(source) {
			into[n] = setAt(into[n], source[n], at[1:])
		}
	}

	return into
}
