package drift

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Dropped returns the fields that an object in the cluster lacks although they were sent: the API server, or a
// webhook, has dropped them. answer is what the API server made of manifest. Values are not compared, because the
// API server writes many in its own way, and neither is what means the same when it is absent. It costs no request.
func Dropped(answer *unstructured.Unstructured, manifest map[string]any) []Field {
	show := printerFor(answer, nil)
	out := fields{}
	for _, name := range slices.Sorted(maps.Keys(manifest)) {
		switch name {
		case "apiVersion", "kind", "status", "stringData": // the last one is moved to data
			continue
		}

		wants := manifest[name]
		if name == "metadata" {
			wants = only(wants, "labels", "annotations") // the rest belongs to the API server
		}

		has, there := answer.Object[name]
		d := dropped{keyed: name == "data" || name == "binaryData" || name == "metadata"}
		for _, path := range under(fieldpath.FieldNameElement(name), d.compare(found{has, there}, wants)) {
			out.add(Field{Path: show.path(path)})
		}
	}

	return out.sorted()
}

// only returns some of the fields of a map.
func only(of any, names ...string) any {
	all, ok := of.(map[string]any)
	if !ok {
		return of
	}

	out := map[string]any{}
	for _, name := range names {
		if one, has := all[name]; has {
			out[name] = one
		}
	}

	return out
}

// dropped compares one field of the first level. keyed is set where every key counts, whatever its value is.
type dropped struct {
	keyed bool
}

// compare returns the paths below a field that are not there.
func (d dropped) compare(has found, wants any) []fieldpath.Path {
	if !has.there {
		if d.void(wants) {
			return nil
		}
		return []fieldpath.Path{{}}
	}

	switch wants := wants.(type) {
	case map[string]any:
		if has, ok := has.value.(map[string]any); ok {
			return d.fields(has, wants)
		}
	case []any:
		if has, ok := has.value.([]any); ok {
			return d.items(has, wants)
		}
	}

	return nil
}

func (d dropped) fields(has, wants map[string]any) []fieldpath.Path {
	var out []fieldpath.Path //nolint:prealloc // most objects lack nothing
	for name, wanted := range wants {
		one, there := has[name]
		out = append(out, under(fieldpath.FieldNameElement(name), d.compare(found{one, there}, wanted))...)
	}
	return out
}

// items compares lists item by item: by name where every item has one of its own, else one after the other. Of
// lists of unequal length nothing is known but that one has lost items.
func (d dropped) items(has, wants []any) []fieldpath.Path {
	var out []fieldpath.Path
	switch {
	case named(has) && named(wants):
		for _, item := range wants {
			name := value.NewValueInterface(item.(map[string]any)["name"])
			element := fieldpath.KeyElement(value.Field{Name: "name", Value: name})
			one, _, there := child(has, element)
			out = append(out, under(element, d.compare(found{one, there}, item))...)
		}
	case len(has) == len(wants):
		for i, item := range wants {
			out = append(out, under(fieldpath.IndexElement(i), d.compare(found{has[i], true}, item))...)
		}
	case len(has) < len(wants):
		return []fieldpath.Path{{}}
	}

	return out
}

// void reports whether a value means the same as none.
func (d dropped) void(wants any) bool {
	switch wants := wants.(type) {
	case nil:
		return true
	case map[string]any:
		for _, one := range wants {
			if !d.void(one) {
				return false
			}
		}
		return true
	case []any:
		return len(wants) == 0
	}
	return !d.keyed && zero(wants)
}

// under puts one step before each of the paths.
func under(first fieldpath.PathElement, paths []fieldpath.Path) []fieldpath.Path {
	for i, path := range paths {
		paths[i] = append(fieldpath.Path{first}, path...)
	}
	return paths
}

// Named names the first few fields.
func Named(all []Field) string {
	const most = 3
	names := make([]string, 0, most)
	for _, field := range all[:min(len(all), most)] {
		names = append(names, strings.TrimPrefix(field.Path, "."))
	}

	text := strings.Join(names, ", ")
	if len(all) > most {
		text += " and " + strconv.Itoa(len(all)-most) + " more"
	}

	return text
}
