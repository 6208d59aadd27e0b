package kubeclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// How Helm marks the objects of releases, besides its annotations.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedByHelm  = "Helm"
)

// inspection is the look at one object.
type inspection struct {
	*Client
	Inspection
	info  *resource.Info
	found drift.Object
}

// wants is the object as the release says it.
func (i *inspection) wants() *unstructured.Unstructured {
	return i.info.Object.(*unstructured.Unstructured)
}

// errMoved says that an object changed between the look at it and its correction.
var errMoved = errors.New("it changed while it was looked at")

// whileItMoves is how often, and after which pauses, an object is looked at again that another client changes
// meanwhile: a controller that has just learned of a change writes the status several times within a second.
var whileItMoves = wait.Backoff{Steps: 6, Duration: 10 * time.Millisecond, Factor: 3, Jitter: 0.1}

// look finds out how the object differs, and brings it back if that is asked for.
func (i *inspection) look() error {
	found := i.found
	moved := func(err error) bool { return errors.Is(err, errMoved) }
	return retry.OnError(whileItMoves, moved, func() error {
		i.found = found
		return i.once()
	})
}

func (i *inspection) once() error {
	live, err := i.live(i.info)
	if apierrors.IsNotFound(err) {
		return i.missing()
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name(i.info), err)
	}

	i.mark(i.info, live)
	ignored := i.Rules.Of(i.wants())
	switch {
	case ignored.Whole, drift.Exempt(i.wants()), drift.Exempt(live):
		return nil
	case live.GetDeletionTimestamp() != nil:
		i.found.Note = "it is being deleted; it is missing once its finalizers are done"
		return nil
	}

	if err := i.mine(i.info, live); err != nil && (ownerOf(live) != (owner{}) || !drift.Managed(live)) {
		i.found.Note = err.Error()
		return nil
	}

	if i.scaled[scaledOf(i.info)] || drift.Autoscaled(live) {
		ignored = ignored.WithReplicas()
	}

	return i.compare(live, ignored)
}

// missing deals with an object that does not exist.
func (i *inspection) missing() error {
	i.mark(i.info, nil)
	if i.Rules.Of(i.wants()).Whole || drift.Exempt(i.wants()) || ssa.Expires(i.wants()) {
		return nil
	}

	i.found.Missing = true
	switch {
	case !i.Correct:
		return nil
	case i.options.ClientSide:
		_, err := i.writeClientSide(i.info, nil)
		return err
	}

	body, err := ssa.ApplyBody(i.wants())
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name(i.info), err)
	}

	_, err = i.create(i.info, nil, desired{body: body, sum: ssa.Checksum(body)})
	return err
}

// unchanged reports whether the release owns just what it is known to own.
func (i *inspection) unchanged(live *unstructured.Unstructured) bool {
	at := slices.IndexFunc(i.Objects, func(ref v1beta1.ResourceRef) bool { return ref.ID == id(i.info) })
	owned := tracker.Reduce(live).Ownership
	return at >= 0 && owned != 0 && i.Objects[at].Ownership == ownershipText(owned)
}

// toSend returns what the release says of an object, and what of it is to be applied.
func (i *inspection) toSend(
	live *unstructured.Unstructured, ignored drift.Ignored,
) (full []byte, sent *unstructured.Unstructured, err error) {
	if full, err = ssa.ApplyBody(i.wants()); err != nil {
		return nil, nil, err
	}
	sent = &unstructured.Unstructured{}
	if err := sent.UnmarshalJSON(full); err != nil {
		return nil, nil, errors.New("it is not an object")
	}
	sent.Object = ignored.Trim(sent.Object, live)
	return full, sent, nil
}

// compare applies the object, at least for a trial, and compares what comes of it with what was there.
func (i *inspection) compare(live *unstructured.Unstructured, ignored drift.Ignored) error {
	// A client-side patch does not own a field that had the wanted value before.
	if i.Audit && !i.Correct && !i.options.ClientSide && i.unchanged(live) {
		i.found.Fields = drift.Added(live, live, ignored, i.Mask)
		return nil
	}

	full, sent, err := i.toSend(live, ignored)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name(i.info), err)
	}

	// What is left out depends on what was there. No client may have changed it since.
	guarded := i.applies() && !ignored.Empty() && !slices.ContainsFunc(live.GetManagedFields(), isFormer)
	if guarded {
		sent.SetResourceVersion(live.GetResourceVersion())
	}

	body, err := json.Marshal(sent.Object)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name(i.info), err)
	}

	would, err := i.applied(live, body)
	if guarded && apierrors.IsConflict(err) {
		return fmt.Errorf("applying %s: %w", name(i.info), errMoved)
	}
	if err != nil {
		return i.refused(live, sent, err)
	}

	i.found.Fields = i.differences(live, would, sent)
	if i.Audit {
		i.found.Fields = append(i.found.Fields, drift.Added(live, would, ignored, i.Mask)...)
	}

	return i.settle(live, would, full)
}

// settle ends the look at an object that differs, or not, from what it would be. One that is corrected by an apply has
// become that already.
func (i *inspection) settle(live, would *unstructured.Unstructured, full []byte) error {
	switch {
	case !i.Correct:
		return nil
	case i.options.ClientSide:
		return i.mergeBack(live, would)
	}
	return i.wrote(i.info, would, ssa.Checksum(full))
}

// applies reports whether the object is corrected by an apply.
func (i *inspection) applies() bool { return i.Correct && !i.options.ClientSide }

// differences are those between an object and what it would be, or has become. A field that excludes what was sent
// is one, too.
func (i *inspection) differences(live, would, sent *unstructured.Unstructured) []drift.Field {
	fields := drift.Compare(live, would, i.Mask)
	if !drift.Managed(would) {
		fields = drift.Subset(live, sent.Object, i.Mask)
	}
	return append(fields, drift.LeftoversOf(live, sent.Object).Fields(live, would, i.Mask)...)
}

// applied applies the object, or asks what would become of it. Fields that Helm clients own in another way are taken
// over first; they stay theirs where the object cannot be applied at all.
func (i *inspection) applied(live *unstructured.Unstructured, body []byte) (*unstructured.Unstructured, error) {
	if i.applies() && slices.ContainsFunc(live.GetManagedFields(), isFormer) {
		if _, err := i.patch(i.info, body, true); err != nil && !ssa.IsDryRunUnsupported(err) {
			if err := i.claimOr(i.info, body, err); err != nil {
				return nil, err
			}
		}
		if err := i.takeFields(i.info, i.info); err != nil {
			return nil, err
		}
	}

	if i.applies() {
		return i.applyOver(i.info, body)
	}

	return i.patch(i.info, body, true)
}

// refused deals with an object that cannot be applied: it is compared with what was sent, and written in Helm's own way
// if that is why.
func (i *inspection) refused(live, sent *unstructured.Unstructured, cause error) error {
	if left := drift.LeftoversOf(live, sent.Object); !i.applies() && left.Explain(cause) {
		i.found.Fields = append(drift.Subset(live, sent.Object, i.Mask), left.Fields(live, nil, i.Mask)...)
		if !i.Correct {
			return nil // a correction removes them
		}

		return i.mergeBack(live, left.Without(live, sent.Object))
	}

	untyped := ssa.IsApplyOnly(cause)
	if !untyped && !ssa.IsDryRunUnsupported(cause) && !isRefusal(cause) {
		return fmt.Errorf("applying %s: %w", name(i.info), reworded(i.info, cause))
	}

	i.found.Fields = drift.Subset(live, sent.Object, i.Mask)
	switch {
	case ssa.IsDryRunUnsupported(cause) && i.Correct: // only a client-side release: others are not corrected for a trial
		return i.mergeBack(live, drift.Leftovers{}.Without(live, sent.Object))
	case ssa.IsDryRunUnsupported(cause):
		return nil
	case !untyped:
		i.found.Note = "the API server refuses what the release says" + invalidFields(cause)
		return fmt.Errorf("applying %s: %w", name(i.info), reworded(i.info, cause))
	case len(i.found.Fields) == 0:
		return nil
	}

	if err := i.hold(live, sent); err != nil || !i.Correct || len(i.found.Fields) == 0 {
		return err
	}

	wanted := *i.info
	wanted.Object = sent
	former := wanted
	former.Object = sent.DeepCopy()
	_, err := i.byHelm(&wanted, &former, false)
	return err
}

// isRefusal reports whether an error is about the object.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) ||
		apierrors.IsConflict(err)
}

// invalidFields names the fields that the API server refuses, if it does.
func invalidFields(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return ""
	}

	var named []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Field != "" && cause.Type != metav1.CauseTypeFieldManagerConflict && len(named) < maxNamed {
			named = append(named, cause.Field)
		}
	}

	if len(named) == 0 {
		return ""
	}

	return ": " + strings.Join(named, ", ")
}
