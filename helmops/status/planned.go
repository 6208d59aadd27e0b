package status

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// planned records the plan of the next install or upgrade. It is no news by itself: the plan that follows says whether
// it waits.
func planned(hr *v1beta1.HelmRelease, o Outcome, now time.Time) Event {
	if o.Failure != nil {
		attempt(hr, o, hr.Status.LastAttemptedReleaseAction, now)
		hr.Status.Failures++
		w := writer{object: hr, generation: o.Generation, now: now}
		return w.failed(hr, o, *o.Failure, fmt.Sprintf("planning %s %s for %s/%s failed: %s",
			o.Chart.Name, o.Chart.Version, o.Target.Namespace, o.Target.Name, o.Failure.Message))
	}

	next := o.Planned
	next.ObservedGeneration = o.Generation
	next.ExpiresAt = metav1.NewTime(now.Add(v1beta1.PlanValidity))
	replace(hr, next)
	hr.Status.Plan = next
	return Event{}
}

// replace notes which plan the next one takes the place of. That stays the plan that the spec approves, as long as the
// status knows what it was made of.
func replace(hr *v1beta1.HelmRelease, next *v1beta1.PlanStatus) {
	had := hr.Status.Plan
	if had == nil {
		return
	}

	was := formerPlan{digest: had.Digest, replaces: had.Replaces, moved: had.Moved}
	next.Replaces, next.Moved = was.replacedBy(next.Digest, hr.Spec.Sync, func() string { return movedSince(had, next) })
}

// formerPlan is the plan that the status had.
type formerPlan struct{ digest, replaces, moved string }

// replacedBy says which plan another one takes the place of, and what is different from that. moved compares the two.
func (f formerPlan) replacedBy(digest string, sync *v1beta1.Sync, moved func() string) (replaces, text string) {
	approved := sync != nil && f.replaces != "" && f.replaces == sync.Approved
	switch {
	case digest == f.replaces: // it is the former one again
		return "", ""
	case digest == f.digest, approved:
		return f.replaces, f.moved
	default:
		return f.digest, moved()
	}
}

// movedSince says in words what is different between two plans.
func movedSince(had, next *v1beta1.PlanStatus) string {
	var moved []string
	add := func(differs bool, what string) {
		if differs {
			moved = append(moved, what)
		}
	}
	add(
		had.ChartVersion != next.ChartVersion,
		fmt.Sprintf("chart version %s → %s", had.ChartVersion, next.ChartVersion),
	)
	add(had.ChartVersion == next.ChartVersion && had.ChartDigest != next.ChartDigest,
		"the content of chart version "+next.ChartVersion)
	add(had.ConfigDigest != next.ConfigDigest, "values")
	add(had.RenderDigest != next.RenderDigest, "post renderers or common metadata")
	add(
		had.FromRevision != next.FromRevision,
		fmt.Sprintf("the revision that runs, %d → %d", had.FromRevision, next.FromRevision),
	)
	add(had.KubeVersion != next.KubeVersion, fmt.Sprintf("Kubernetes %s → %s", had.KubeVersion, next.KubeVersion))
	if len(moved) == 0 {
		return "what the templates render from the state of the cluster"
	}

	return strings.Join(moved, ", ")
}
