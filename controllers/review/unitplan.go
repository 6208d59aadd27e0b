package review

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/view"
)

// unitTask is the plan of a Kustomization or a directory. It is touched when its objects differ, or cannot be built.
func (r *runner) unitTask(key unitKey) task {
	from, to := r.base.units[key], r.head.units[key]
	t := task{
		item:    view.NewReviewItem(key.kind, key.namespace, key.name, changeOf(from != nil, to != nil)),
		touched: true,
	}
	if to != nil && to.declared != nil {
		if found, ok := r.head.find(kindOf(v1beta1.KustomizationKind), keyOf(key)); ok {
			t.place = func() (string, int) { return r.head.fileOf(found) }
		}
	}

	t.plan = func(_ context.Context, item *view.ReviewItem) error { return r.planUnit(item, from, to) }
	if from == nil || to == nil || from.err != nil || to.err != nil {
		return t
	}

	before, err := documents(from.objects)
	after, otherErr := documents(to.objects)
	t.touched = err != nil || otherErr != nil || before != after || from.prunes() != to.prunes()
	return t
}

// planUnit makes the plan of a Kustomization. The error holds no secret.
func (r *runner) planUnit(item *view.ReviewItem, from, to *unit) error {
	in := preview.Input{}
	before, after := objectsOf(from), objectsOf(to)
	var err error
	if from != nil {
		if from.err != nil {
			return fmt.Errorf("before the change it cannot be built: %w", from.err)
		}
		in.Namespace = from.namespace(r.Namespace)
		in.Mask = from.mask.Apply
		item.Notes = append(item.Notes, from.notes...)
	}
	if to != nil {
		if to.err != nil {
			return fmt.Errorf("it cannot be built: %w", to.err)
		}
		in.Namespace = to.namespace(r.Namespace)
		in.Mask = to.mask.Apply
		item.Notes = append(item.Notes, to.notes...)
	}
	if from != nil && to != nil {
		in.Mask = from.mask.Join(to.mask).Apply
	}

	slices.Sort(item.Notes)
	item.Notes = slices.Compact(item.Notes)
	if in.From.Manifest, err = documents(before); err != nil {
		return err
	}
	if in.To.Manifest, err = documents(after); err != nil {
		return err
	}

	in.Again = in.To
	in.Kept = r.keptOf(from, to)
	return item.SetObjects(in)
}

func objectsOf(u *unit) []apply.Object {
	if u == nil {
		return nil
	}
	return u.objects
}

// keptOf are the objects of a unit that it no longer has, and that are not deleted.
func (r *runner) keptOf(from, to *unit) []v1beta1.KeptObject {
	if from == nil {
		return nil
	}

	last := from
	wanted := map[objectKey]bool{}
	if to != nil {
		last = to
		for _, o := range to.objects {
			wanted[to.keyOf(o.Unstructured, r.Namespace)] = true
		}
	}

	var out []v1beta1.KeptObject
	for _, o := range from.objects {
		key := from.keyOf(o.Unstructured, r.Namespace)
		if wanted[key] {
			continue
		}

		var reason string
		found, elsewhere := r.head.find(key.GroupKind, key.NamespacedName)
		switch {
		case elsewhere:
			reason = found.unit.key.String() + " declares it"
		case !last.prunes():
			reason = "spec.prune is off"
		case o.GetAnnotations()[v1beta1.PruneAnnotation] == v1beta1.Disabled,
			o.GetLabels()[v1beta1.PruneAnnotation] == v1beta1.Disabled:
			reason = v1beta1.PruneAnnotation + " is " + v1beta1.Disabled
		default:
			continue
		}

		out = append(out, v1beta1.KeptObject{
			Group: key.Group, Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Reason: reason,
		})
	}

	return out
}

// documents are objects as YAML.
func documents(objects []apply.Object) (string, error) {
	var out strings.Builder
	for _, o := range objects {
		text, err := yaml.Marshal(apply.Bare(o.Unstructured))
		if err != nil {
			return "", fmt.Errorf("encode %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}

		out.WriteString("---\n")
		out.Write(text)
	}

	return out.String(), nil
}
