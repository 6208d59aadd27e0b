package view

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

// KustomizationStatus is everything one screen tells about a Kustomization.
type KustomizationStatus struct {
	KustomizationRow
	Generation         int64       `json:"generation"`
	ObservedGeneration int64       `json:"observedGeneration"`
	Conditions         []Condition `json:"conditions"`
	// SourceStatus is how the source is.
	SourceStatus *Related `json:"sourceStatus,omitempty"`
	// Dependencies in the order of spec.dependsOn.
	Dependencies []Related `json:"dependencies"`
	// LastAttempted is the revision of the source that was tried last, and Failures how often it failed in a row.
	LastAttempted string    `json:"lastAttemptedRevision,omitempty"`
	Failures      int64     `json:"failures"`
	Inventory     Inventory `json:"inventory"`
	// Unhealthy are the worst of the objects that are not healthy.
	Unhealthy []v1beta1.ObjectHealth `json:"unhealthy"`
	// Kept are objects that the source no longer has and that were not deleted.
	Kept []v1beta1.KeptObject `json:"kept,omitempty"`
	Next Next                 `json:"next"`
}

// SourceStatus is everything one screen tells about a source.
type SourceStatus struct {
	SourceRow
	Generation         int64       `json:"generation"`
	ObservedGeneration int64       `json:"observedGeneration"`
	Conditions         []Condition `json:"conditions"`
	// SourceStatus is how the source of a HelmChart is; absent for other kinds.
	SourceStatus *Related `json:"sourceStatus,omitempty"`
	// UsedBy are the objects that use the source.
	UsedBy []User `json:"usedBy"`
	// Notes say which objects could not be looked at.
	Notes []string `json:"notes,omitempty"`
	Next  Next     `json:"next"`
}

// Kustomization reads one Kustomization, its source and its dependencies. Only the Kustomization has to be readable:
// what cannot be read of the rest is reported in its place.
func (r Reader) Kustomization(ctx context.Context, key types.NamespacedName) (KustomizationStatus, error) {
	var k v1beta1.Kustomization
	if err := r.get(ctx, v1beta1.KustomizationKind, key, &k); err != nil {
		return KustomizationStatus{}, err
	}
	dependencies := make([]Related, 0, len(k.Spec.DependsOn))
	for _, d := range k.Spec.DependsOn {
		dependencies = append(dependencies, r.dependency(ctx, v1beta1.KustomizationKind, k.Namespace, d))
	}
	return NewKustomizationStatus(&k, r.sourceOf(ctx, &k), dependencies), nil
}

// Source reads one source of the kind, what uses it and, for a HelmChart, its own source.
func (r Reader) Source(ctx context.Context, kind string, key types.NamespacedName) (SourceStatus, error) {
	object, err := r.Object(ctx, kind, key)
	if err != nil {
		return SourceStatus{}, err
	}

	source, ok := object.(v1beta1.Source)
	if !ok {
		return SourceStatus{}, nil
	}

	out := NewSourceStatus(source, r.sourceOf(ctx, object))
	out.UsedBy, out.Notes = r.Users(ctx, Reference{Kind: kind, Namespace: key.Namespace, Name: key.Name})
	return out, nil
}

// sourceOf reads how the source of an object is, nil where it has none.
func (r Reader) sourceOf(ctx context.Context, o Object) *Related {
	ref, ok := SourceOf(o)
	if !ok {
		return nil
	}
	related := r.related(ctx, ref)
	return &related
}

// NewKustomizationStatus projects a Kustomization and what it needs.
func NewKustomizationStatus(k *v1beta1.Kustomization, source *Related, dependencies []Related) KustomizationStatus {
	return KustomizationStatus{
		KustomizationRow:   NewKustomizationRow(k),
		Generation:         k.Generation,
		ObservedGeneration: k.Status.ObservedGeneration,
		Conditions:         conditionsOf(k),
		SourceStatus:       source,
		Dependencies:       orEmpty(dependencies),
		LastAttempted:      k.Status.LastAttemptedRevision,
		Failures:           k.Status.Failures,
		Inventory:          countInventory(k.Status.Inventory),
		Unhealthy:          orEmpty(k.Status.Unhealthy),
		Kept:               k.Status.Kept,
		Next:               nextOfObject(k, shortDuration(k.GetInterval())),
	}
}

// NewSourceStatus projects a source. own is the source of a HelmChart, else nil.
func NewSourceStatus(source v1beta1.Source, own *Related) SourceStatus {
	return SourceStatus{
		SourceRow:          NewSourceRow(source),
		Generation:         source.GetGeneration(),
		ObservedGeneration: source.GetObservedGeneration(),
		Conditions:         conditionsOf(source),
		SourceStatus:       own,
		UsedBy:             []User{},
		Next:               nextOfObject(source, shortDuration(source.GetInterval())),
	}
}

// nextOfObject reads the future off the phase of a Kustomization or a source.
func nextOfObject(o v1beta1.Conditioned, every string) Next {
	phase := PhaseOf(o)
	if next, is := nextOfPhase(phase); is {
		return next
	}

	k, _ := o.(*v1beta1.Kustomization)
	if k != nil && k.Status.Held != nil && phase != Deleting && phase != Stalled {
		return heldNext(k.Status.Held.Until)
	}

	switch phase {
	case Deleting:
		return Next{Action: NextDelete, Message: "the object goes away"}
	case Waiting:
		if k, is := o.(*v1beta1.Kustomization); is && k.Status.Plan != nil && status.IsAwaitingApproval(o) {
			return approveNext(v1beta1.KustomizationKind, k, k.Status.Plan.Digest)
		}
		return Next{Action: NextWait, Message: "the controller continues when what the object waits for is ready"}
	case Stalled:
		return Next{Action: NextChange, Message: "nothing until the spec, or what it refers to, changes"}
	case Failed:
		return Next{
			Action:  NextRetry,
			Message: "the controller retries; a change of the spec or its source starts an attempt immediately",
		}
	default:
		if k != nil && k.Status.UnconfirmedPrune != nil {
			return confirmNext(k)
		}
		return Next{Action: NextAudit, Every: every, Message: "the controller checks it every " + every}
	}
}

// confirmNext says how the deletions are confirmed that a Kustomization waits with.
func confirmNext(k *v1beta1.Kustomization) Next {
	return Next{Action: NextChange, Message: fmt.Sprintf("the controller deletes what the source no longer has when a "+
		"user confirms it; to confirm it: fairlead approve kustomization %s -n %s --prune %s", k.Name, k.Namespace,
		v1beta1.ShortDigest(k.Status.UnconfirmedPrune.Digest))}
}
