package view

import (
	"fmt"
	"strconv"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Kinds of goals.
const (
	GoalReady    = "ready"
	GoalHealthy  = "healthy"
	GoalRevision = "revision"
	GoalPhase    = "phase"
)

// minHash is how many letters of a hash are enough to name a revision.
const minHash = 7

// Goal is what a user waits for.
type Goal struct {
	// Kind is ready, healthy, revision or phase; Value is the revision or the phase.
	Kind, Value string
}

// ParseGoal reads ready, healthy, revision=… or phase=….
func ParseGoal(text string) (Goal, error) {
	kind, value, has := strings.Cut(text, "=")
	g := Goal{Kind: strings.ToLower(strings.TrimSpace(kind)), Value: strings.TrimSpace(value)}
	switch g.Kind {
	case GoalReady, GoalHealthy:
		if !has {
			return g, nil
		}
	case GoalRevision, GoalPhase:
		if g.Value != "" {
			return g, nil
		}
	}

	return Goal{}, fmt.Errorf("%q is none of ready, healthy, revision=REVISION and phase=PHASE", text)
}

// String is the goal in a sentence: ready, healthy, at revision 42, in phase Failed.
func (g Goal) String() string {
	switch g.Kind {
	case GoalRevision:
		return "at revision " + g.Value
	case GoalPhase:
		return "in phase " + g.Value
	default:
		return g.Kind
	}
}

// Attainment says how far an object is from a goal.
type Attainment struct {
	// Met is set when the goal is reached, Hopeless when it cannot be reached before a user does something.
	Met, Hopeless bool
	// Phase is that of a Promotion for one, else that of PhaseOf.
	Phase   string
	Message string
}

// Attained reports how far an object is from the goal.
func (g Goal) Attained(o Object) Attainment {
	phase := PhaseOf(o)
	out := Attainment{Phase: string(phase), Message: messageOf(o)}
	ready := phase == Ready
	final := false
	if p, is := o.(*v1beta1.Promotion); is {
		s := NewPromotionStatus(p)
		out.Phase = s.Phase
		ready = s.Ready
		final = s.Final
	}

	switch g.Kind {
	case GoalReady:
		out.Met = ready
	case GoalHealthy:
		out.Met = ready && isHealthy(o)
	case GoalRevision:
		out.Met = ready && hasRevision(o, g.Value)
	case GoalPhase:
		out.Met = strings.EqualFold(out.Phase, g.Value) || strings.EqualFold(string(phase), g.Value)
	}

	out.Hopeless = !out.Met && (final || phase == Suspended || phase == Deleting || g.ends(phase))
	return out
}

// ends reports whether an object stays in a phase until a user does something. Of a revision or phase that is still to
// come, the present one says nothing.
func (g Goal) ends(phase Phase) bool {
	waitsForState := g.Kind == GoalReady || g.Kind == GoalHealthy
	return waitsForState && (phase == Stalled || phase == Held)
}

// isHealthy reports whether the objects of an object are healthy. One without objects is.
func isHealthy(o Object) bool {
	healthy := condition(o, v1beta1.HealthyCondition)
	if len(inventoriedOf(o).refs) > 0 {
		return isTrue(healthy)
	}
	return !isFalse(healthy)
}

// hasRevision reports whether an object has reached a revision: the revision of the Helm release or the version of the
// chart of a HelmRelease, the applied revision of a Kustomization, the artifact of a source, the version in all stages
// of a pipeline.
func hasRevision(o Object, wanted string) bool {
	switch v := o.(type) {
	case *v1beta1.HelmRelease:
		newest := v.Status.Latest()
		if newest == nil {
			return false
		}

		return strconv.Itoa(int(newest.Version)) == wanted || newest.ChartVersion == wanted ||
			matchesHash(newest.ChartDigest, wanted)
	case *v1beta1.Kustomization:
		return sameRevision(v.Status.LastAppliedRevision, wanted)
	case *v1beta1.ReleasePipeline:
		return stagesHave(v, wanted)
	case *v1beta1.Promotion:
		return v.Spec.Version == wanted || matchesHash(v.Spec.Digest, wanted)
	case v1beta1.Source:
		artifact := fetchedOf(v)
		return artifact != nil && (sameRevision(artifact.Revision, wanted) || matchesHash(artifact.Digest, wanted))
	}
	return false
}

func stagesHave(p *v1beta1.ReleasePipeline, wanted string) bool {
	for _, stage := range p.Spec.Stages {
		s := StageOf(p, stage.Name)
		if s == nil || s.Delivery == nil || !s.Delivery.Verified {
			return false
		}
		if s.Delivery.Version != wanted && !matchesHash(s.Delivery.Digest, wanted) {
			return false
		}
	}
	return len(p.Spec.Stages) > 0
}

// sameRevision reports whether a revision of an artifact, main@sha1:4f3c…, is the wanted one: in full, or by its tag or
// branch, or by the beginning of its hash.
func sameRevision(revision, wanted string) bool {
	name, hash, has := strings.Cut(revision, "@")
	if !has {
		hash = revision
	}
	return revision == wanted || has && name == wanted || matchesHash(hash, wanted)
}

// matchesHash reports whether a hash, sha1:4f3c…, is the wanted one: in full, or its beginning with or without the
// algorithm.
func matchesHash(hash, wanted string) bool {
	_, digits, has := strings.Cut(hash, ":")
	if !has || len(wanted) < minHash {
		return false
	}
	return strings.HasPrefix(hash, wanted) || strings.HasPrefix(digits, wanted)
}
