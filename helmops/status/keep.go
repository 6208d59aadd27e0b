package status

import (
	"slices"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Bounds of what is said about objects that were kept.
const (
	maxKept       = 32
	maxKeptReason = 1024
)

// kept is what a status lists of the objects that were kept: those of before that still are, and those of now. Of
// more than it can list the oldest are left out.
func kept(before, now []v1beta1.KeptObject) []v1beta1.KeptObject {
	var out []v1beta1.KeptObject
	for _, had := range before {
		if !slices.ContainsFunc(now, had.SameObject) {
			out = append(out, had)
		}
	}

	for _, object := range now {
		object.Reason = object.Reason[:min(len(object.Reason), maxKeptReason)]
		out = append(out, object)
	}

	return out[max(0, len(out)-maxKept):]
}

// Kept is the event about objects that were kept now; it has no reason when there are none.
func Kept(objects []v1beta1.KeptObject) Event {
	if len(objects) == 0 {
		return Event{}
	}
	texts := make([]string, 0, len(objects))
	for _, o := range objects {
		texts = append(texts, o.String()+" ("+o.Reason+")")
	}
	return Event{Warning: true, Action: ActionPrune, Reason: v1beta1.KeptReason, Message: "no longer wanted, but not deleted: " + named(texts)}
}

func namesOf(objects []v1beta1.KeptObject) []string {
	names := make([]string, 0, len(objects))
	for _, o := range objects {
		names = append(names, o.String())
	}
	return names
}

// Spared is the event about an object that a Kustomization no longer wants, and that was not deleted because it says so
// itself. The text names the object, with the cause.
func Spared(object string) Event {
	return Event{Action: ActionPrune, Reason: v1beta1.NotPrunedReason, Message: "not deleted: " + object}
}
