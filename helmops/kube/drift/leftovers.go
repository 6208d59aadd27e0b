package drift

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"fairlead.dev/fairlead/api/v1beta1"
)

// operation is one step of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Leftovers are the fields of an object in the cluster that exclude what is to be applied to it, because the API
// server accepts only one field of a group: the rollingUpdate that it has set by default excludes the strategy
// Recreate. An apply does not remove them, because the applier does not own them, and is refused.
type Leftovers struct {
	paths []fieldpath.Path
	// places are the paths of the groups, without the items of lists, as the API server names them in its answer.
	places []place
}

// place is where a group of fields is, and which of them are at odds.
type place struct {
	path   string
	fields []string
}

// LeftoversOf finds the fields of an object in the cluster that exclude what is to be applied to it.
func LeftoversOf(live *unstructured.Unstructured, payload map[string]any) Leftovers {
	var out Leftovers
	for _, u := range unionsOf(live.GroupVersionKind().GroupKind()) {
		out.collect(u, u.at, nil, live.Object, payload)
	}
	return out
}

// collect follows the path of a union through an object and what is to be applied to it.
func (l *Leftovers) collect(u choice, rest []string, at fieldpath.Path, live, wants any) {
	switch {
	case len(rest) == 0:
		l.add(u, at, live, wants)
	case rest[0] == each:
		l.collectItems(u, rest[1:], at, live, wants)
	default:
		has, _ := live.(map[string]any)
		wanted, _ := wants.(map[string]any)
		below, ok := wanted[rest[0]]
		if was, there := has[rest[0]]; ok && there {
			l.collect(u, rest[1:], append(slices.Clip(at), fieldpath.FieldNameElement(rest[0])), was, below)
		}
	}
}

// collectItems collects from the items of a list that have a name.
func (l *Leftovers) collectItems(u choice, rest []string, at fieldpath.Path, live, wants any) {
	items, _ := wants.([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		name, ok := fields["name"].(string)
		if !ok {
			continue
		}

		element := fieldpath.KeyElement(value.Field{Name: "name", Value: value.NewValueInterface(name)})
		if was, _, there := child(live, element); there {
			l.collect(u, rest, append(slices.Clip(at), element), was, item)
		}
	}
}

// add notes what a union has left over at one place.
func (l *Leftovers) add(u choice, at fieldpath.Path, live, wants any) {
	has, _ := live.(map[string]any)
	wanted, _ := wants.(map[string]any)
	names := u.leftover(has, wanted)
	if len(names) == 0 {
		return
	}

	for _, name := range names {
		l.paths = append(l.paths, append(slices.Clip(at), fieldpath.FieldNameElement(name)))
	}

	l.places = append(l.places, place{
		path:   strings.ReplaceAll(strings.Join(u.at, "."), "."+each, ""),
		fields: append(names, slices.Collect(maps.Keys(wanted))...),
	})
}

// Empty reports whether nothing is left over.
func (l Leftovers) Empty() bool { return len(l.paths) == 0 }

var indexes = regexp.MustCompile(`\[[^\]]*\]`)

// Explain reports whether the API server refused an object because of the leftovers, and for no other reason.
func (l Leftovers) Explain(err error) bool {
	var status apierrors.APIStatus
	if l.Empty() || !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	causes := status.Status().Details.Causes
	return len(causes) > 0 && !slices.ContainsFunc(causes, func(cause metav1.StatusCause) bool {
		field := indexes.ReplaceAllString(cause.Field, "")
		return !slices.ContainsFunc(l.places, func(p place) bool { return p.covers(field) })
	})
}

// covers reports whether a field is the group, or one of its fields that are at odds.
func (p place) covers(field string) bool {
	rest, below := strings.CutPrefix(field, p.path+".")
	if !below {
		return field == p.path
	}
	name, _, _ := strings.Cut(rest, ".")
	name, _, _ = strings.Cut(name, "/") // "livenessProbe.httpGet/tcpSocket"
	return slices.Contains(p.fields, name)
}

// Patch is the JSON patch that makes a manager the only owner of the leftovers, so that its next apply removes
// them together with whatever else that changes. It changes nothing but the managedFields, and fails with a
// conflict when the object has changed since it was read.
func (l Leftovers) Patch(live *unstructured.Unstructured, manager string) ([]byte, error) {
	roots := fieldpath.NewSet(l.paths...)
	claimed := roots
	entries := []metav1.ManagedFieldsEntry{}
	own := metav1.ManagedFieldsEntry{
		Manager: manager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: live.GetAPIVersion(),
		FieldsType: "FieldsV1",
	}
	for _, entry := range live.GetManagedFields() {
		set := fieldpath.NewSet()
		if entry.FieldsV1 == nil || set.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			entries = append(entries, entry)
			continue
		}

		if entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" {
			own = entry
			claimed = claimed.Union(set)
			continue
		}

		left := set.RecursiveDifference(roots)
		if left.Empty() {
			continue
		}

		if !left.Equals(set) {
			if err := setFields(&entry, left); err != nil {
				return nil, err
			}
		}

		entries = append(entries, entry)
	}

	if err := setFields(&own, claimed); err != nil {
		return nil, err
	}

	return json.Marshal([]operation{
		{Op: "add", Path: "/metadata/managedFields", Value: append(entries, own)},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()},
	})
}

func setFields(entry *metav1.ManagedFieldsEntry, set *fieldpath.Set) error {
	raw, err := set.ToJSON()
	if err != nil {
		return err
	}
	entry.FieldsV1 = &metav1.FieldsV1{}
	entry.FieldsV1.SetRawBytes(raw)
	return nil
}

// Fields are the leftovers as differences. would is the object as it is once they are removed; nil when that is
// not known. A leftover that it still has does not exclude anything.
func (l Leftovers) Fields(live, would *unstructured.Unstructured, mask func(string) string) []Field {
	owners := ownersOf(live)
	show := printerFor(live, mask)
	found := fields{}
	for _, path := range l.paths {
		if would != nil {
			if _, stays := lookup(would.Object, path); stays {
				continue
			}
		}

		was, _ := lookup(live.Object, path)
		field := Field{Path: show.path(path), Change: v1beta1.DriftChanged, Was: show.value(was)}
		field.Manager, field.Since = otherManager(owners, path)
		found.add(field)
	}

	return found.sorted()
}

// Without is an object as it would be without the leftovers, and with what is to be applied. It is for a preview
// where the API server cannot try the whole; what it would set by default is not in it.
func (l Leftovers) Without(live *unstructured.Unstructured, payload map[string]any) *unstructured.Unstructured {
	out := live.DeepCopy()
	for _, path := range l.paths {
		parent, _ := lookup(out.Object, path[:len(path)-1])
		if fields, ok := parent.(map[string]any); ok {
			delete(fields, *path[len(path)-1].FieldName)
		}
	}
	overlay(out.Object, payload)
	return out
}

// overlay puts fields over those of an object; items of lists are matched by name where each has one.
func overlay(into, from map[string]any) {
	for name, wants := range from {
		switch wants := wants.(type) {
		case map[string]any:
			if has, ok := into[name].(map[string]any); ok {
				overlay(has, wants)
				continue
			}
		case []any:
			if has, ok := into[name].([]any); ok && named(has) && named(wants) {
				into[name] = overlayItems(has, wants)
				continue
			}
		}
		into[name] = runtime.DeepCopyJSONValue(wants)
	}
}

func overlayItems(has, wants []any) []any {
	out := make([]any, 0, len(wants))
	for _, item := range wants {
		fields, _ := item.(map[string]any)
		at := slices.IndexFunc(has, func(one any) bool { return one.(map[string]any)["name"] == fields["name"] })
		if at < 0 {
			out = append(out, runtime.DeepCopyJSONValue(item))
			continue
		}

		under := has[at].(map[string]any)
		overlay(under, fields)
		out = append(out, under)
	}

	return out
}
