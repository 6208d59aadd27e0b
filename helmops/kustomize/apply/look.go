package apply

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// ObservedState is what is known of the objects of a Kustomization at the moment.
type ObservedState struct {
	// Unhealthy are the objects that are not healthy, those that failed first; Of is how many there are.
	Unhealthy []v1beta1.ObjectHealth
	Of        int
	// Differs names the objects that are not as they were left.
	Differs []string
	// Unseen are the objects of kinds that may not be watched.
	Unseen []v1beta1.ResourceRef
	// Blind is set while the cluster cannot be watched.
	Blind bool
}

// Look returns what is known of the objects of an inventory, without a request. It is ready once their kinds have been
// seen completely; until then, which Moved tells, the answer is false. The objects are judged by rules, nil for the
// usual ones.
//
// With quote, objects that are not healthy are described in their own words too, which can hold a secret.
func (e *Engine) Look(
	access cluster.Access, owner types.NamespacedName, refs []v1beta1.ResourceRef, rules *health.Rules, quote bool,
) (ObservedState, bool) {
	at, _, err := e.sites.Get(access)
	if err != nil {
		return ObservedState{}, false
	}

	objects := refsOf(refs)
	at.tracker.Judge(userOf(owner), objects, rules)
	out := ObservedState{Of: len(refs)}
	tracked := true
	for _, ref := range refs {
		namespace, name, group, kind, ok := ref.Split()
		if !ok {
			continue
		}

		gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
		entry, there := at.tracker.Get(tracker.Ref{GVK: gvk, Namespace: namespace, Name: name})
		if !at.tracker.Tracks(gvk) {
			tracked = false
			if at.tracker.Refused(gvk) {
				out.Unseen = append(out.Unseen, ref)
			} else {
				out.Blind = true
			}

			continue
		}

		at.assess(&out, owner, ref, entry.For(userOf(owner)), there, quote)
	}

	if !at.followers.Follows(userOf(owner), owner, objects, tracked) {
		return ObservedState{}, false
	}

	slices.SortStableFunc(out.Unhealthy, func(a, b v1beta1.ObjectHealth) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name))
	})
	return out, true
}

// refsOf returns the objects of an inventory as the tracker names them.
func refsOf(inventory []v1beta1.ResourceRef) []tracker.Ref {
	out := make([]tracker.Ref, 0, len(inventory))
	for _, ref := range inventory {
		if namespace, name, group, kind, ok := ref.Split(); ok {
			gvk := schema.GroupVersionKind{Group: group, Version: ref.Version, Kind: kind}
			out = append(out, tracker.Ref{GVK: gvk, Namespace: namespace, Name: name})
		}
	}
	return out
}

// assess adds what is to be reported of one object.
func (s *clusterState) assess(
	out *ObservedState, owner types.NamespacedName, ref v1beta1.ResourceRef, entry tracker.Entry, there, quote bool,
) {
	namespace, name, group, kind, _ := ref.Split()
	state := "-"
	if there {
		state = tracker.OwnershipText(entry.Ownership)
	}

	differs := !there || !entry.Deleting && state != ref.Ownership && !entry.IgnoresDrift
	if differs && !s.wasLeft(owner, ref.ID, state) {
		out.Differs = append(out.Differs, named(kind, namespace, name))
	}

	report := entry.Complete
	switch {
	case !there:
		report = health.Report{State: health.InProgress, Message: "it does not exist"}
		if !differs || s.wasLeft(owner, ref.ID, state) {
			return // it went by itself
		}
	case entry.IgnoresHealth:
		return
	}

	message := report.Message
	if quote {
		message = report.Full()
	}

	if report.State != health.Current {
		out.Unhealthy = append(out.Unhealthy, v1beta1.ObjectHealth{
			Kind: kind, Group: group, Namespace: namespace, Name: name, State: string(report.State), Message: message,
		})
	}
}
