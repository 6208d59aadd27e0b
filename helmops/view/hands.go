package view

import (
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// HandedOverChange is the Change of an object that another Kustomization takes over, TakenOverChange that of one that
// is taken over from another.
const (
	HandedOverChange = "handedOver"
	TakenOverChange  = "takenOver"
)

// stayingDifference is that of an object that is no longer wanted and would not be deleted.
func stayingDifference(p apply.Previewed) ObjectDifference {
	out := ObjectDifference{
		Kind: p.Live.GetKind(), Group: p.Live.GroupVersionKind().Group,
		Namespace: p.Live.GetNamespace(), Name: p.Live.GetName(),
		Change: KeptChange, Note: p.Kept,
	}
	if p.To != "" {
		out.Change = HandedOverChange
		out.Kustomization = p.To
	}

	return out
}

// inHands adds to the differences of an object what else is known of its hands.
func inHands(p apply.Previewed, differences []ObjectDifference) []ObjectDifference {
	for i := range differences {
		d := &differences[i]
		switch {
		case p.From != "":
			d.Change = TakenOverChange
			d.Kustomization = p.From
		case d.Change == diff.Deleted:
			d.Note = p.Unsure
		}
	}
	return differences
}
