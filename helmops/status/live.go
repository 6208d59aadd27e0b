package status

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// Bounds of what is reported of live objects.
const (
	maxObjects = 10
	maxNamed   = 3
)

// Health is what is worth telling about the live objects of a release.
type Health struct {
	// Known is unset while the cluster cannot be watched.
	Known bool
	// Objects that are not healthy, the worst first; Of is how many the release has.
	Objects []v1beta1.ObjectHealth
	Of      int
}

// ReleaseHealth sets the condition Healthy.
func ReleaseHealth(hr *v1beta1.HelmRelease, h Health, now time.Time) {
	w := current(hr, now)
	switch {
	case !h.Known:
		if meta.FindStatusCondition(hr.Status.Conditions, v1beta1.HealthyCondition) != nil {
			w.set(v1beta1.HealthyCondition, metav1.ConditionUnknown, v1beta1.HealthUnknownReason, "the objects of the release cannot be watched at present")
		}
		return
	case len(h.Objects) == 0:
		hr.Status.Unhealthy = nil
		w.set(v1beta1.HealthyCondition, metav1.ConditionTrue, v1beta1.HealthyReason, fmt.Sprintf("all %d objects are healthy", h.Of))
		return
	}

	worst := h.Objects[:min(len(h.Objects), maxObjects)]
	if !reflect.DeepEqual(worst, hr.Status.Unhealthy) {
		hr.Status.Unhealthy = worst
	}

	w.set(v1beta1.HealthyCondition, metav1.ConditionFalse, v1beta1.UnhealthyReason, fmt.Sprintf("%d of %d objects are not healthy: %s",
		len(h.Objects), h.Of, DescribeHealth(h.Objects)))
}

// DescribeHealth names the first few of the objects that are not healthy.
func DescribeHealth(objects []v1beta1.ObjectHealth) string {
	named := make([]string, 0, maxNamed)
	for _, o := range objects[:min(len(objects), maxNamed)] {
		named = append(named, fmt.Sprintf("%s: %s", nameOf(o.Kind, o.Namespace, o.Name), o.Message))
	}
	return enumerate(named, len(objects))
}

func nameOf(kind, namespace, name string) string {
	if namespace == "" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// enumerate joins what is named, and says how many there are beside.
func enumerate(named []string, all int) string {
	text := strings.Join(named, "; ")
	if all > len(named) {
		text += fmt.Sprintf("; and %d more", all-len(named))
	}
	return text
}

// inspected records what a look at drift, or its correction, has found.
func inspected(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	w := current(hr, now)
	if o.Reason == plan.ReasonUnlisted {
		return listed(o, w)
	}
	if o.Reason == plan.ReasonAdopting {
		return adopting(hr, o, now)
	}

	if o.Reason == plan.ReasonSelected {
		return objectsSynced(hr, o, w)
	}

	had := hr.Status.Drift
	outstanding := merge(had, o)
	if o.Step == plan.Correct {
		return correctedDrift(hr, o, w, outstanding)
	}

	if o.Failure != nil {
		w.set(v1beta1.DriftedCondition, metav1.ConditionUnknown, v1beta1.DriftUnknownReason, "drift could not be looked for: "+o.Failure.Message)
		return Event{}
	}

	keepDrift(hr, outstanding)
	differing := slices.DeleteFunc(slices.Clone(outstanding), onlyAdded)
	if len(differing) == 0 {
		driftNone(w, outstanding)
		return Event{}
	}

	message := fmt.Sprintf("%s; %s", describeDrift(differing), leftBecause(hr, o))
	before := meta.IsStatusConditionTrue(hr.Status.Conditions, v1beta1.DriftedCondition) && reflect.DeepEqual(had, hr.Status.Drift)
	w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason, message)
	if before {
		return Event{}
	}

	return Event{Warning: true, Reason: v1beta1.DriftDetectedReason, Message: message}
}

func correctedDrift(hr *v1beta1.HelmRelease, o Outcome, w writer, outstanding []v1beta1.ObjectDrift) Event {
	left := slices.DeleteFunc(slices.Clone(outstanding), func(d v1beta1.ObjectDrift) bool { return d.Note == "" && !onlyAdded(d) })
	if o.Failure != nil {
		keepDrift(hr, outstanding)
		message := fmt.Sprintf("drift could not be corrected: %s; it is tried again when the object changes, and at the next audit", o.Failure.Message)
		had := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
		told := had != nil && had.Message == cut(message, maxMessage)
		w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftCorrectionFailedReason, message)
		if told {
			return Event{}
		}

		return Event{Warning: true, Reason: v1beta1.DriftCorrectionFailedReason, Message: message}
	}

	keepDrift(hr, left)
	fixed := slices.DeleteFunc(slices.Clone(o.Drift), func(d v1beta1.ObjectDrift) bool { return d.Note != "" || onlyAdded(d) })
	if noted := slices.DeleteFunc(slices.Clone(left), onlyAdded); len(noted) > 0 {
		message := describeDrift(noted)
		w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftDetectedReason, message)
		return Event{Warning: true, Reason: v1beta1.DriftDetectedReason, Message: message}
	}

	if len(fixed) == 0 {
		DriftNone(hr, w.now)
		return Event{}
	}

	message := "corrected: " + describeDrift(fixed)
	w.set(v1beta1.DriftedCondition, metav1.ConditionFalse, v1beta1.DriftCorrectedReason, message)
	return Event{Reason: v1beta1.DriftCorrectedReason, Message: message}
}

// DriftFight says that an object is left alone because another manager changes it again and again.
func DriftFight(hr *v1beta1.HelmRelease, objects []string, rivals []string, until time.Time, now time.Time) Event {
	who := "another client"
	if len(rivals) > 0 {
		who = "field manager " + strings.Join(rivals, " and ")
	}

	message := fmt.Sprintf("%s: %s changes it again and again; it is left alone until %s; stop the rival, or have it ignored by spec.driftDetection.ignore",
		enumerate(objects[:min(len(objects), maxNamed)], len(objects)), who, until.UTC().Format(time.RFC3339))
	w := current(hr, now)
	had := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
	again := had != nil && had.Reason == v1beta1.DriftFightReason
	w.set(v1beta1.DriftedCondition, metav1.ConditionTrue, v1beta1.DriftFightReason, message)
	if again {
		return Event{}
	}

	return Event{Warning: true, Action: ActionInspect, Reason: v1beta1.DriftFightReason, Message: message}
}

// DriftUnknown says that drift cannot be seen at present.
func DriftUnknown(hr *v1beta1.HelmRelease, now time.Time) {
	if meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition) == nil {
		return
	}
	current(hr, now).set(v1beta1.DriftedCondition, metav1.ConditionUnknown, v1beta1.DriftUnknownReason,
		"the objects of the release cannot be watched at present; drift is looked for again when they can")
}

// DriftNone says that no object differs, after a look that found nothing to ask the cluster about.
func DriftNone(hr *v1beta1.HelmRelease, now time.Time) {
	had := meta.FindStatusCondition(hr.Status.Conditions, v1beta1.DriftedCondition)
	if had != nil && had.Status == metav1.ConditionFalse {
		return // how it was corrected last stays to be read
	}
	hr.Status.Drift = slices.DeleteFunc(slices.Clone(hr.Status.Drift), func(d v1beta1.ObjectDrift) bool { return !onlyAdded(d) })
	driftNone(current(hr, now), hr.Status.Drift)
}

// DriftOff forgets what was said of drift when it is not looked for any more.
func DriftOff(hr *v1beta1.HelmRelease, now time.Time) {
	hr.Status.Drift = nil
	current(hr, now).unset(v1beta1.DriftedCondition)
}

func driftNone(w writer, added []v1beta1.ObjectDrift) {
	message := "every object is as its manifest says"
	if len(added) > 0 {
		message += "; fields that others have added: " + describeDrift(added)
	}
	w.set(v1beta1.DriftedCondition, metav1.ConditionFalse, v1beta1.NoDriftReason, message)
}

func keepDrift(hr *v1beta1.HelmRelease, drift []v1beta1.ObjectDrift) {
	drift = drift[:min(len(drift), maxObjects)]
	if len(drift) == 0 {
		drift = nil
	}
	hr.Status.Drift = drift
}

// merge returns what differs by now: what was found, and what was known of objects that were not looked at.
func merge(had []v1beta1.ObjectDrift, o Outcome) []v1beta1.ObjectDrift {
	if len(o.Looked) == 0 {
		return o.Drift
	}

	out := slices.Clone(o.Drift)
	for _, d := range had {
		id := v1beta1.NewResourceRef(d.Namespace, d.Name, d.Group, d.Kind, "").ID
		if !slices.ContainsFunc(o.Looked, func(ref v1beta1.ResourceRef) bool { return ref.ID == id }) {
			out = append(out, d)
		}
	}

	return out
}

func onlyAdded(d v1beta1.ObjectDrift) bool {
	return !d.Missing && d.Note == "" && !slices.ContainsFunc(d.Fields, func(f v1beta1.FieldDrift) bool { return f.Change != v1beta1.DriftAdded })
}

// describeDrift names objects, fields and who changed them.
func describeDrift(drift []v1beta1.ObjectDrift) string {
	named := make([]string, 0, maxNamed)
	for _, d := range drift[:min(len(drift), maxNamed)] {
		named = append(named, nameOf(d.Kind, d.Namespace, d.Name)+" "+describeFields(d))
	}
	return enumerate(named, len(drift))
}

func describeFields(d v1beta1.ObjectDrift) string {
	if d.Missing {
		return strings.TrimSuffix("was deleted, "+d.Note, ", ")
	}

	fields := make([]string, 0, maxNamed)
	for _, f := range d.Fields[:min(len(d.Fields), maxNamed)] {
		text := f.Path + " was " + f.Change
		if f.Manager != "" {
			text += " by " + f.Manager
		}

		fields = append(fields, text)
	}

	text := strings.Join(fields, ", ")
	if more := int(d.More) + len(d.Fields) - len(fields); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if d.Note != "" {
		text = strings.TrimPrefix(text+" ("+d.Note+")", " ")
	}

	return text
}

// BadSince returns since when the watched revision has been unhealthy, by its status; the zero time when it is not.
func BadSince(hr *v1beta1.HelmRelease) time.Time {
	if bake := hr.Status.Bake; bake != nil && bake.BadSince != nil {
		return bake.BadSince.Time
	}
	return time.Time{}
}

// BakeHealth records whether the watched revision is healthy, and since when it is not.
func BakeHealth(hr *v1beta1.HelmRelease, healthy bool, since time.Time) {
	bake := hr.Status.Bake
	if bake == nil {
		return
	}
	bake.BadSince = nil
	if !healthy {
		bad := metav1.NewTime(since)
		bake.BadSince = &bad
	}
}
