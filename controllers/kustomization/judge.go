package kustomization

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/status"
)

// Pauses after failures in a row: doubled from the first to the last, unless spec.retryInterval says otherwise.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
)

// step is what is done next.
type step string

const (
	stepApply step = "apply"
	stepWait  step = "wait"
	stepRest  step = "rest"
)

// facts are what a decision is made of.
type facts struct {
	// digest of what is wanted now.
	digest string
	// asked is set when the user has asked for an attempt since the last one, awaited when what the last one waited for has come.
	asked, awaited bool
	// freed is set when what kept the last attempt from deleting something is gone.
	freed bool
	// audit is set when it is time to look at objects that cannot be watched.
	audit bool
	// truce is how long objects that somebody fights over are left alone yet, zero when there are none; over is set when that is past.
	truce time.Duration
	over  bool
	// unclaimed is set when no other Kustomization can take over the released objects any more, so that they can be
	// pruned; kept is how long to wait until that is checked again.
	unclaimed bool
	kept      time.Duration
	// sight is what is known of the objects, known whether there is one already.
	sight apply.Sight
	known bool
	// waiting are objects that have to be healthy and are not.
	waiting []v1beta1.ObjectHealth
}

// decision is the next step with its reason.
type decision struct {
	step step
	why  string
	// kind tells which attempts go first.
	kind fair.Kind
	// after is when to look again.
	after time.Duration
	// limited is set when the inputs are not tried because they exceed a bound.
	limited bool
	// overdue is set when objects take longer to become healthy than they may.
	overdue bool
}

// judge says what happens next. It is pure.
func judge(k *v1beta1.Kustomization, f facts, now time.Time) decision {
	s := k.Status
	var since time.Duration
	if s.LastAttemptedAt != nil {
		since = now.Sub(s.LastAttemptedAt.Time)
	}
	again, isDue := due(s, f)
	switch {
	case f.asked:
		return decision{step: stepApply, why: "it was asked for"}
	case s.LastAttemptedDigest != f.digest:
		return decision{step: stepApply, why: "what is wanted has changed"}
	case exceeds(s, f.digest):
		return decision{step: stepWait, why: "these inputs exceed a bound of rendering", limited: true}
	case s.LastAppliedDigest != f.digest || s.Failures > 0:
		left := pause(retryDelay(k, s.Failures, status.IsStalled(k)), f.freed) - since
		if f.awaited || left <= 0 {
			return decision{step: stepApply, why: "the last attempt failed"}
		}
		return decision{step: stepWait, why: fmt.Sprintf("the last attempt failed, the next one follows in %s", left.Round(time.Second)), after: left}
	case !f.known:
		return decision{step: stepRest, why: "the objects are being looked at", after: f.kept}
	case isDue:
		return again
	case len(f.waiting) > 0:
		left := k.GetTimeout() - since
		next := soonest(soonest(max(left, 0), f.truce), f.kept)
		return decision{step: stepRest, why: "objects are not healthy yet", overdue: left <= 0, after: next}
	default:
		return decision{step: stepRest, why: "everything is applied", after: soonest(f.truce, f.kept)}
	}
}

// due returns the attempt that what is applied already needs; false when it needs none.
func due(s v1beta1.KustomizationStatus, f facts) (decision, bool) {
	switch {
	case f.unclaimed:
		return decision{step: stepApply, why: "what was kept for other Kustomizations can be pruned"}, true
	case len(f.sight.Differs) > 0:
		return decision{step: stepApply, kind: fair.Urgent, why: "objects differ: " + firstOf(f.sight.Differs)}, true
	case f.audit && auditable(s, f):
		return decision{step: stepApply, why: "objects that may not be watched, or were kept, are looked at"}, true
	case f.over:
		return decision{step: stepApply, kind: fair.Urgent, why: "objects that somebody fights over are corrected again"}, true
	default:
		return decision{}, false
	}
}

// auditable reports whether there are objects that only an attempt looks at.
func auditable(s v1beta1.KustomizationStatus, f facts) bool {
	return len(f.sight.Unseen) > 0 || len(s.Kept) > 0
}

// exceeds reports whether inputs are known to exceed a bound of rendering.
func exceeds(s v1beta1.KustomizationStatus, digest string) bool {
	return s.LimitExceeded != nil && s.LimitExceeded.Digest == digest
}

// retryDelay is the pause after failures in a row. What is stalled waits for its input to change; it is tried again at the interval only
// because the cluster may have changed too.
func retryDelay(k *v1beta1.Kustomization, failures int64, stalled bool) time.Duration {
	if stalled {
		return k.GetInterval()
	}
	if interval := k.GetRetryInterval(); interval > 0 {
		return interval
	}
	return min(firstRetry<<min(max(failures-1, 0), 10), lastRetry)
}

func firstOf(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return fmt.Sprint(names)
	}
	return fmt.Sprintf("%v and %d more", names[:shown], len(names)-shown)
}
