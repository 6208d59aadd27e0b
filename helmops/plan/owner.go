package plan

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Owner is the HelmRelease that owns a Helm release, as its record names it. The zero value is no HelmRelease.
type Owner struct {
	Namespace, Name string
	// UID changes when the HelmRelease is deleted and created again, in this cluster or in a restored one.
	UID types.UID
}

// IsZero reports whether no HelmRelease is named.
func (o Owner) IsZero() bool { return o == Owner{} }

// Key returns namespace and name.
func (o Owner) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

// Succeeds reports whether both are the same HelmRelease, or o was created under the namespace and name of former.
func (o Owner) Succeeds(former Owner) bool { return !o.IsZero() && o.Key() == former.Key() }

// owns reports whether the newest revision is known to belong to the object: its record names the object, or names no
// owner and an earlier reconciliation recorded the release in the status of the object.
func (o Observed) owns(d Desired) bool {
	newest := o.History.Newest()
	if newest.Owner.IsZero() {
		return o.Managed
	}
	return d.Self.Succeeds(newest.Owner)
}

// ownedByOther leaves a release alone that another living HelmRelease owns.
func ownedByOther(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if o.absent() || o.owns(d) {
		return Plan{}, false
	}
	if d.Deleting && o.History.Newest().Owner.IsZero() {
		return Plan{}, false // it is left alone, with any owner
	}

	target := o.target(d)
	if o.Owner == nil {
		return Plan{Step: Need, Fact: FactOwner, Target: target, Reason: string(FactOwner)}, true
	}
	if o.Owner.IsZero() {
		return Plan{}, false
	}

	p := Plan{Step: Wait, Stalled: true, Target: target, Reason: v1beta1.OwnedByOtherReason}
	p.Message = fmt.Sprintf("Helm release %s/%s is owned by %s", target.Namespace, target.Name, d.describe(*o.Owner))
	if d.Deleting {
		p.Step = None
		p.Stalled = false
		p.Message += "; the release and its objects stay"
		return p, true
	}

	p.Message += "; nothing is changed. Set another spec.releaseName or spec.storageNamespace, or delete one of the two " +
		"HelmReleases; this one takes the release over when its owner is deleted and leaves the release behind"
	return p, true
}

// taken leaves a release uninstalled whose records would have the names of those of another release. Helm tells the
// records of two releases of one name in one storage namespace apart by nothing but their content, so that they
// cannot both be there.
func taken(d Desired, o Observed, _ time.Time) (Plan, bool) {
	if !o.absent() || o.History.Namesake == nil {
		return Plan{}, false
	}

	namesake := o.History.Namesake
	by := "which names no HelmRelease as its owner"
	if !namesake.Owner.IsZero() {
		by = "which is owned by " + d.describe(namesake.Owner)
	}

	return Plan{Step: Wait, Stalled: true, Reason: v1beta1.OwnedByOtherReason, Message: fmt.Sprintf(
		"namespace %s has the records of Helm release %s/%s already, %s; nothing is installed. Set another "+
			"spec.releaseName or spec.storageNamespace; otherwise this release is installed when the other one is "+
			"uninstalled and its records are gone",
		d.Target.StorageNamespace, namesake.Namespace, d.Target.Name, by)}, true
}

// describe names another HelmRelease only to those who may read it as well: the readers of the same namespace.
func (d Desired) describe(owner Owner) string {
	if owner.Namespace != d.Self.Namespace {
		return "a HelmRelease of another namespace"
	}
	return fmt.Sprintf("HelmRelease %s/%s", owner.Namespace, owner.Name)
}

// claimed writes the object into the record of a release that is as wanted and names no owner, or one that is gone.
// Every action that writes the record does the same, so nothing is claimed before one.
func claimed(d Desired, o Observed, now time.Time, otherwise Plan) (Plan, bool) {
	idle := otherwise.Step == None || otherwise.Step == Correct || otherwise.Step == Inspect
	if !idle || d.Self.IsZero() || d.Suspended || d.Deleting || o.Moved != nil || o.absent() {
		return Plan{}, false
	}

	newest := o.History.Newest()
	if newest.Owner == d.Self {
		return Plan{}, false
	}

	if wait := remaining(d, o.Attempt, now); wait > 0 {
		p := Plan{Step: Wait, Reason: ReasonBackoff, After: wait}
		p.Message = fmt.Sprintf("the owner could not be written into revision %d; the controller retries in %s", newest.Version, wait)
		return p, otherwise.Step == None
	}

	p := Plan{Step: Claim, To: newest.Version, Reason: ReasonUnowned,
		Message: fmt.Sprintf("revision %d names no HelmRelease as its owner", newest.Version)}
	switch {
	case newest.Owner.IsZero():
	case d.Self.Succeeds(newest.Owner):
		p.Message = fmt.Sprintf("revision %d names an earlier HelmRelease of this name as its owner", newest.Version)
	default:
		p.Reason = ReasonOwnerGone
		p.Message = fmt.Sprintf("the HelmRelease that owned revision %d is gone", newest.Version)
	}

	return p, true
}
