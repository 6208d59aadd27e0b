package ssa

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/helmops/kube/drift"
)

// Writer applies one object for its owner. How a request is repeated, and what is noted of its answer, is up to the
// owner.
type Writer struct {
	// Name is the object in errors: "Deployment apps/web".
	Name string
	// Version of the kind in the manifest.
	Version string
	// Manager is the field manager of the owner.
	Manager string
	// Send sends a patch, or asks what would become of the object.
	Send func(kind types.PatchType, body []byte, dryRun bool) (*unstructured.Unstructured, error)
	// Live reads the object. When there is none, the error is that of the API server.
	Live func() (*unstructured.Unstructured, error)
	// Claim sends a JSON patch that changes who owns fields.
	Claim func(patch []byte) error
	// Reword takes values out of what the API server says; nil where the caller does so.
	Reword func(error) error
}

// Apply applies the object, or asks what would become of it. When another manager owns fields of it in a version of
// the kind that cannot express the object, these entries are restated in the version of the manifest first; the dry
// run of such an object is that of a merge.
func (w Writer) Apply(body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	answer, err := w.Send(types.ApplyPatchType, body, dryRun)
	switch {
	case !IsUnconvertible(err):
		return answer, err
	case dryRun:
		return w.Send(types.MergePatchType, body, true)
	}

	if err := w.restate(); err != nil {
		return nil, err
	}

	return w.Send(types.ApplyPatchType, body, false)
}

// restate has all managers own their fields in the version of the manifest. An object that is gone has no owners.
func (w Writer) restate() error {
	live, err := w.Live()
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", w.Name, err)
	}

	patch, err := RestatePatch(live)
	if err == nil && patch != nil {
		_, err = w.Send(types.JSONPatchType, patch, false)
	}
	if err != nil {
		return fmt.Errorf("bringing the owners of the fields of %s to version %s: %w", w.Name, w.Version, w.reworded(err))
	}

	return nil
}

// Leftovers reads an object that the API server refused to apply. The fields that explain the refusal are empty when
// something else is its cause; live is nil when the object was not read, or does not exist.
func (w Writer) Leftovers(body []byte, cause error) (live *unstructured.Unstructured, left drift.Leftovers, err error) {
	if !apierrors.IsInvalid(cause) {
		return nil, drift.Leftovers{}, nil
	}

	sent := &unstructured.Unstructured{}
	if err := sent.UnmarshalJSON(body); err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("encoding %s: %w", w.Name, err)
	}

	live, err = w.Live()
	if apierrors.IsNotFound(err) {
		return nil, drift.Leftovers{}, nil
	}
	if err != nil {
		return nil, drift.Leftovers{}, fmt.Errorf("reading %s: %w", w.Name, err)
	}

	left = drift.LeftoversOf(live, sent.Object)
	if !left.Explain(cause) {
		return live, drift.Leftovers{}, nil
	}

	return live, left, nil
}

// ClaimLeftovers makes the owner the manager of the fields because of which the object was refused, so that the next
// apply removes them with all that it changes. was is the object before that; it is nil when no field explains the
// refusal. While the object changes, it is read and claimed again, with the pauses given.
func (w Writer) ClaimLeftovers(
	pauses wait.Backoff, body []byte, cause error,
) (was *unstructured.Unstructured, err error) {
	err = retry.RetryOnConflict(pauses, func() error {
		live, left, err := w.Leftovers(body, cause)
		if err != nil || left.Empty() {
			return err
		}

		patch, err := left.Patch(live, w.Manager)
		if err != nil {
			return err
		}

		was = live
		return w.Claim(patch)
	})
	if err != nil {
		return nil, fmt.Errorf("taking over fields of %s that exclude what is applied: %w", w.Name, w.reworded(err))
	}

	return was, nil
}

func (w Writer) reworded(err error) error {
	if w.Reword == nil {
		return err
	}
	return w.Reword(err)
}
