package apply

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// write brings one object to what is wanted.
func (r *run) write(ctx context.Context, i *item) error {
	if i.recreate {
		if err := r.remove(ctx, i); err != nil {
			return err
		}
	}

	body, live, err := r.payload(ctx, i)
	if err != nil {
		return err
	}

	answer, left, err := r.applied(ctx, i, body)
	if err != nil {
		return err
	}
	if left != nil && live == nil && i.unchanged() {
		live = left
	}

	reduced := tracker.Kustomizations().Reduce(answer)
	r.site.tracker.Wrote(i.kind, answer, ssa.Checksum(i.body)) //nolint:contextcheck // an expression has a time of its own
	i.ownership = tracker.OwnershipText(reduced.Ownership)
	if !i.unchanged() || i.recreate {
		r.lacks(i, answer)
	}

	r.recordWrite(i, live, answer)
	return nil
}

// payload is what is applied of an object: all of it, but for what may differ, or belongs to an autoscaler. live is the
// object as it was, where that had to be read.
func (r *run) payload(ctx context.Context, i *item) (body []byte, live *unstructured.Unstructured, err error) {
	ignored := r.Ignore.Of(i.Unstructured)
	corrects := i.unchanged() && i.there
	if i.recreate || !corrects && ignored.Empty() && !i.entry.Autoscaled {
		return i.body, nil, nil
	}
	if live, err = r.get(ctx, i); err != nil || live == nil {
		return i.body, nil, err
	}

	body, err = r.trimmed(i, live, ignored)
	return body, live, err
}

// trimmed leaves out of a payload what may differ, and what belongs to an autoscaler.
func (r *run) trimmed(i *item, live *unstructured.Unstructured, ignored drift.Ignored) ([]byte, error) {
	if drift.Autoscaled(live) {
		ignored = ignored.WithReplicas()
	}
	if ignored.Empty() {
		return i.body, nil
	}

	content := &unstructured.Unstructured{}
	if err := content.UnmarshalJSON(i.body); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", i.place(), err)
	}

	return json.Marshal(ignored.Trim(content.Object, live))
}

// recordWrite notes what was done to an object.
func (r *run) recordWrite(i *item, live, answer *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case i.recreate:
		r.result.Changed = append(r.result.Changed, i.String()+" (deleted and recreated)")
	case i.unchanged() && !i.there:
		r.result.Corrected = append(r.result.Corrected, i.String()+" (it was gone)")
		r.site.fights.Corrected(fightOf(i), "", r.engine.config.Now())
	case i.unchanged() && live != nil:
		left := drift.LeftoversOf(live, i.Object.Object)
		fields := append(drift.Compare(live, answer, nil), left.Fields(live, answer, nil)...)
		if len(fields) == 0 {
			return // only who owns the fields has changed
		}

		r.result.Corrected = append(r.result.Corrected, i.String()+" ("+describe(fields)+")")
		r.site.fights.Corrected(fightOf(i), managerOf(fields), r.engine.config.Now())
	case i.before != nil:
		r.result.Changed = append(r.result.Changed, i.String())
	case i.trial != nil && i.trial.GetUID() == answer.GetUID():
		r.result.Changed = append(r.result.Changed, i.String())
	default:
		r.result.Created = append(r.result.Created, i.String())
	}
}

// describe names fields and who changed them, without their values.
func describe(fields []drift.Field) string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		text := f.Path + " " + f.Change
		if f.Manager != "" {
			text += " by " + f.Manager
		}
		names = append(names, text)
	}
	return firstOf(names)
}

func managerOf(fields []drift.Field) string {
	for _, f := range fields {
		if f.Manager != "" {
			return f.Manager
		}
	}
	return ""
}

// refused words why the API server does not take an object.
func refused(i *item, err error) error {
	return &ssa.ObjectError{Object: i.place(), Secret: i.isSecret(), Cause: err}
}

// remove deletes an object that is to be recreated, and waits until it is gone.
func (r *run) remove(ctx context.Context, i *item) error {
	background := metav1.DeletePropagationBackground
	client := r.as.Dynamic().Resource(
		schema.GroupVersionResource{Group: i.kind.GVK.Group, Version: i.kind.GVK.Version, Resource: i.kind.Resource}).
		Namespace(i.GetNamespace())
	err := client.Delete(ctx, i.GetName(), metav1.DeleteOptions{PropagationPolicy: &background})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s to recreate it: %w", i, err)
	}

	err = tracker.Follow(ctx, client, i.GetName(), func(o *unstructured.Unstructured) (bool, error) {
		return o == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until %s is gone, to recreate it: %w", i, err)
	}

	return nil
}

// exempt reports whether the manifest of an object leaves it out of drift detection.
func exempt(object *unstructured.Unstructured) bool { return drift.Exempt(object) }
