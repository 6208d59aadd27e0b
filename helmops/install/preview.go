package install

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/pkg/ssa/jsondiff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// maxValue bounds a value that a Change shows, in characters.
const maxValue = 120

// Action is what happens to an object.
type Action string

// Actions. An object that stays as it is has none.
const (
	Created Action = "created"
	Changed Action = "changed"
	Deleted Action = "deleted"
)

// Change is what an installation does to one object.
type Change struct {
	// Object is named by kind, namespace and name: "Deployment fairlead-system/fairlead-controller".
	Object string
	Action Action
	// Fields are the operations of a JSON patch that make the object what it becomes, one text each:
	// "replace /spec/replicas: 2 → 1". Only an object with the action Changed has any.
	Fields []string
	// live is the object in the cluster, nil when there is none.
	live *unstructured.Unstructured
}

// Preview finds out what Apply would do, by dry runs, and writes nothing. Objects whose namespace or kind comes with
// the installation are checked without the API server. The error names all objects that would be refused, or one that
// belongs to another owner.
func (s *Site) Preview(ctx context.Context, o Options) ([]Change, error) {
	objects, err := o.Objects(ctx)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, o, objects)
}

func (s *Site) preview(ctx context.Context, o Options, objects []apply.Object) ([]Change, error) {
	unwanted, err := o.Unwanted(ctx)
	if err != nil {
		return nil, err
	}

	set := apply.Set{Owner: Owner(), Objects: objects, Before: unwanted, Prune: true}
	previewed, err := apply.Preview(ctx, s.as, set, nil, nil)
	if err != nil {
		return nil, err
	}

	var out []Change
	for _, p := range previewed {
		change, err := changeOf(p)
		if err != nil {
			return nil, err
		}
		if change.Action != "" {
			out = append(out, change)
		}
	}

	return out, nil
}

// changeOf says what happens to an object. The action is empty when it stays as it is.
func changeOf(p apply.Previewed) (Change, error) {
	switch {
	case p.Live == nil:
		return Change{Object: nameOf(p.Would), Action: Created}, nil
	case p.Would == nil:
		return Change{Object: nameOf(p.Live), Action: Deleted, live: p.Live}, nil
	}

	fields, err := fieldsOf(p.Live, p.Would)
	if err != nil {
		return Change{}, fmt.Errorf("comparing %s with what it would become: %w", nameOf(p.Live), err)
	}
	if len(fields) == 0 {
		return Change{}, nil
	}

	return Change{Object: nameOf(p.Live), Action: Changed, Fields: fields, live: p.Live}, nil
}

// fieldsOf are the fields in which an object differs from what it would be: those that the library compares when it
// applies, which are labels, annotations, and all but metadata and status.
func fieldsOf(live, would *unstructured.Unstructured) ([]string, error) {
	marks, err := jsondiff.DiffUnstructured(marksOf(live), marksOf(would))
	if err != nil {
		return nil, err
	}

	content, err := jsondiff.DiffUnstructured(live, would)
	if err != nil {
		return nil, err
	}

	out := make([]string, 0, len(marks)+len(content))
	for _, o := range marks {
		out = append(out, o.Type+" /metadata"+o.Path+valuesOf(o.OldValue, o.Value))
	}

	for _, o := range content {
		out = append(out, o.Type+" "+o.Path+valuesOf(o.OldValue, o.Value))
	}

	return out, nil
}

// marksOf are the labels and annotations of an object. The library does not compare what is below metadata.
func marksOf(o *unstructured.Unstructured) *unstructured.Unstructured {
	out := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		if marks, has, err := unstructured.NestedMap(o.Object, "metadata", field); err == nil && has {
			out[field] = marks
		}
	}
	return &unstructured.Unstructured{Object: out}
}

// valuesOf shows the values of an operation, each as JSON.
func valuesOf(was, becomes any) string {
	switch {
	case was == nil:
		return ": " + shown(becomes)
	case becomes == nil:
		return ": " + shown(was)
	default:
		return ": " + shown(was) + " → " + shown(becomes)
	}
}

func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	if runes := []rune(string(text)); len(runes) > maxValue {
		return string(runes[:maxValue]) + "…"
	}
	return string(text)
}
