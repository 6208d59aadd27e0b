package view

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Surroundings are what is around an object: what it needs, and what needs it.
type Surroundings struct {
	// Source of the object; nil when it has none.
	Source *Related
	// Dependencies in the order of spec.dependsOn.
	Dependencies []Related
	Users        []User
	// Notes say what could not be looked at.
	Notes []string
}

// ObjectExplanation says why a Kustomization or a source is as it is.
type ObjectExplanation struct {
	Reference
	Phase Phase `json:"phase"`
	// Healthy is set when it is Ready and nothing that is known of it is wrong.
	Healthy bool `json:"healthy"`
	// Summary says it in a sentence.
	Summary string `json:"summary"`
	// Since is when it stopped being Ready or healthy; absent when it is healthy, or that is not known.
	Since *metav1.Time `json:"since,omitempty"`
	// Revision is in use: applied by a Kustomization, or in the cache of a source; absent before the first one.
	Revision string `json:"revision,omitempty"`
	// Introduced is the revision that fails, and what is known of it; absent when none is known to fail.
	Introduced *FailedRevision `json:"introduced,omitempty"`
	// Unhealthy are objects of a Kustomization that are not healthy, as in an Explanation; absent for a source.
	Unhealthy []v1beta1.ObjectHealth `json:"unhealthy,omitempty"`
	More      int                    `json:"more,omitempty"`
	Live      bool                   `json:"live,omitempty"`
	Crashes   []CrashReport          `json:"crashes,omitempty"`
	// Source, and the Dependencies that are not ready.
	Source       *Related  `json:"source,omitempty"`
	Dependencies []Related `json:"dependencies,omitempty"`
	// Users is how many objects use it, HeldUp are those of them that wait.
	Users      int         `json:"users"`
	HeldUp     []User      `json:"heldUp"`
	Conditions []Condition `json:"conditions"`
	Next       Next        `json:"next"`
	// Kept are objects that the source no longer has and that were not deleted.
	Kept []v1beta1.KeptObject `json:"kept,omitempty"`
	// Notes say what could not be looked at.
	Notes []string `json:"notes"`
}

// FailedRevision is a revision of a source that could not be applied.
type FailedRevision struct {
	Revision string `json:"revision"`
	// Former was applied last, and stays; absent when none was, or when it is the same revision.
	Former string `json:"former,omitempty"`
	// Repeated is set when the same revision was applied before: then the spec, a variable or the cluster changed.
	Repeated bool `json:"repeated,omitempty"`
	// At is when it was tried last, and Failures how often it failed in a row.
	At       *metav1.Time `json:"at,omitempty"`
	Failures int64        `json:"failures"`
}

// ExplainKustomization puts together what a Kustomization, its surroundings and, unless it is nil, its live objects
// say. It reads nothing.
func ExplainKustomization(k *v1beta1.Kustomization, tree *Tree, around Surroundings) ObjectExplanation {
	out := explained(k, around, shortDuration(k.GetInterval()))
	out.Revision = k.Status.LastAppliedRevision
	out.Introduced = failedRevision(k)
	out.Kept = k.Status.Kept
	found := Explanation{Unhealthy: slices.Clone(k.Status.Unhealthy)}
	if tree != nil {
		found.Notes = tree.Notes
		found.live(tree)
	}

	out.Notes = append(out.Notes, found.Notes...)
	out.Live = found.Live
	out.Crashes = found.Crashes[:min(len(found.Crashes), maxExplained)]
	out.Unhealthy = found.Unhealthy[:min(len(found.Unhealthy), maxExplained)]
	out.More = len(found.Unhealthy) - len(out.Unhealthy)

	healthy := condition(k, v1beta1.HealthyCondition)
	drifted := condition(k, v1beta1.DriftedCondition)
	out.Healthy = out.Phase == Ready && len(out.Unhealthy) == 0 && !isFalse(healthy) && !isTrue(drifted)
	out.Summary = kustomizationSummary(k, out)
	switch {
	case out.Healthy:
	case out.Phase == Ready && isFalse(healthy):
		out.Since = healthy.LastTransitionTime.DeepCopy()
	case out.Phase == Ready && isTrue(drifted):
		out.Since = drifted.LastTransitionTime.DeepCopy()
	default:
		out.Since = notReadySince(k)
	}

	return out
}

// explained fills in what Kustomizations and sources have in common.
func explained(o Object, around Surroundings, every string) ObjectExplanation {
	out := ObjectExplanation{
		Reference: Reference{Kind: KindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()},
		Phase:     PhaseOf(o), Source: around.Source, Users: len(around.Users), HeldUp: orEmpty(heldUp(around.Users)),
		Conditions: conditionsOf(o), Next: nextOfObject(o, every), Notes: slices.Clone(around.Notes),
	}
	out.Notes = orEmpty(out.Notes)
	for _, d := range around.Dependencies {
		if !d.Ready {
			out.Dependencies = append(out.Dependencies, d)
		}
	}

	return out
}

// notReadySince is when an object stopped being Ready; nil while it is Ready, or when that is not known.
func notReadySince(o Object) *metav1.Time {
	if ready := condition(o, v1beta1.ReadyCondition); isFalse(ready) && !ready.LastTransitionTime.IsZero() {
		return ready.LastTransitionTime.DeepCopy()
	}
	return nil
}

// failedRevision is the revision that could not be applied; nil when the one that was tried last is applied.
func failedRevision(k *v1beta1.Kustomization) *FailedRevision {
	s := k.Status
	if s.Failures == 0 || s.LastAttemptedRevision == "" || PhaseOf(k) == Ready {
		return nil
	}

	out := &FailedRevision{Revision: s.LastAttemptedRevision, At: s.LastAttemptedAt.DeepCopy(), Failures: s.Failures}
	out.Repeated = s.LastAppliedRevision == s.LastAttemptedRevision
	if !out.Repeated {
		out.Former = s.LastAppliedRevision
	}

	return out
}

func kustomizationSummary(k *v1beta1.Kustomization, e ObjectExplanation) string {
	switch {
	case e.Healthy && k.Status.Held != nil:
		return "healthy, " + revisionOr(e.Revision) + " is applied; " + k.Status.Held.Message
	case e.Healthy:
		return "healthy, " + revisionOr(e.Revision) + " is applied, nothing pending"
	case e.Phase != Ready:
		return phaseSummary(k, e.Phase)
	}

	var parts []string
	if n := len(e.Unhealthy) + e.More; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of its objects not healthy", n))
	} else if c := condition(k, v1beta1.HealthyCondition); isFalse(c) {
		parts = append(parts, "objects not healthy when the controller looked: "+c.Message)
	}

	if c := condition(k, v1beta1.DriftedCondition); isTrue(c) {
		parts = append(parts, "changed by others: "+c.Message)
	}

	return "Ready, but " + strings.Join(parts, "; ")
}

// phaseSummary says why an object is not Ready.
func phaseSummary(o Object, phase Phase) string {
	if reason := SuspendReason(o); phase == Suspended && reason != "" {
		return "Suspended: " + reason
	}
	return strings.TrimSuffix(fmt.Sprintf("%s: %s", phase, messageOf(o)), ": ")
}

func revisionOr(revision string) string {
	if revision == "" {
		return "no revision"
	}
	return revision
}

// ExplainSource puts together what a source and its surroundings say. It reads nothing.
func ExplainSource(source v1beta1.Source, around Surroundings) ObjectExplanation {
	o, is := source.(Object)
	if !is {
		return ObjectExplanation{}
	}

	out := explained(o, around, shortDuration(source.GetInterval()))
	if artifact := fetchedOf(source); artifact != nil {
		out.Revision = artifact.Revision
	}

	if c := condition(o, v1beta1.SourceVerifiedCondition); c != nil {
		out.Conditions = append(out.Conditions, Condition{
			Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message, Since: c.LastTransitionTime,
		})
	}

	out.Healthy = out.Phase == Ready
	out.Since = notReadySince(o)
	out.Summary = phaseSummary(o, out.Phase)
	if out.Healthy {
		out.Summary = "healthy, " + revisionOr(out.Revision) + " is in the cache, nothing pending"
		if _, is := o.(*v1beta1.ArtifactGenerator); is {
			out.Summary = "healthy, " + messageOf(o) + ", nothing pending"
		}
	}

	return out
}

// Around reads what is around a Kustomization or a source. What cannot be read is in its notes.
func (r Reader) Around(ctx context.Context, o Object) Surroundings {
	out := Surroundings{Source: r.sourceOf(ctx, o)}
	for _, d := range dependenciesOf(o) {
		out.Dependencies = append(out.Dependencies, r.dependency(ctx, KindOf(o), o.GetNamespace(), d))
	}
	out.Users, out.Notes = r.Users(ctx, Reference{Kind: KindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()})
	return out
}
