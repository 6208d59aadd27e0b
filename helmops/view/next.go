package view

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// Things that can come next for a release.
const (
	// NextReconcile: the controller works on the object, or takes it up when it is its turn.
	NextReconcile = "reconcile"
	// NextRetry: the last attempt is repeated, at Next.At when that is known.
	NextRetry = "retry"
	// NextWait: the controller continues when what it waits for is there.
	NextWait = "wait"
	// NextAudit: nothing changes until an input does; everything is checked at the interval all the same.
	NextAudit = "audit"
	// NextChange: nothing happens until an input changes or a user asks for another attempt.
	NextChange = "change"
	// NextResume: nothing happens until a user resumes the object.
	NextResume = "resume"
	// NextDelete: the object goes away.
	NextDelete = "delete"
)

// pendingNext is what comes next for an object whose newest spec was not looked at yet.
const pendingNext = "the controller has not taken up the newest spec yet; if that lasts, check that it is running"

// Next is what happens to a release without help, or what help it needs.
type Next struct {
	// Action is one of the Next constants.
	Action string `json:"action"`
	// At is when, where that is known. A moment that has passed means: as soon as it is its turn.
	At *metav1.Time `json:"at,omitempty"`
	// Every is the interval of an audit.
	Every string `json:"every,omitempty"`
	// Message says it in words, without the time.
	Message string `json:"message"`
}

// nextOfPhase is what happens next to an object of any kind in a phase that says it alone.
func nextOfPhase(phase Phase) (Next, bool) {
	switch phase {
	case Suspended:
		return Next{Action: NextResume, Message: "suspended: nothing happens until it is resumed"}, true
	case Pending:
		return Next{Action: NextReconcile, Message: pendingNext}, true
	case Progressing:
		const finishes = "the controller finishes the action in progress and reports how it ended"
		return Next{Action: NextReconcile, Message: finishes}, true
	default:
		return Next{}, false
	}
}

// nextOf reads the future off the phase. The time of a retry is the planner's own rule, so that both agree.
func nextOf(hr *v1beta1.HelmRelease) Next {
	phase := PhaseOf(hr)
	if next, is := nextOfPhase(phase); is {
		return next
	}

	if next, is := windowNext(hr); is && phase != Deleting {
		return next
	}

	switch phase {
	case Deleting:
		return Next{Action: NextDelete, Message: deletingMessage(hr)}
	case Waiting:
		return waiting(hr)
	case Held:
		return Next{Action: NextChange,
			Message: "it stays at the revision that was asked for until the chart, the values or the post renderers " +
				"change, or until you remove the request: fairlead rollback release " + hr.Name + " -n " + hr.Namespace +
				" --undo"}
	case Stalled:
		return Next{Action: NextChange,
			Message: "nothing until the chart, the values or the spec change, or until it is reset: " +
				"fairlead reconcile release " + hr.Name + " -n " + hr.Namespace + " --reset"}
	case Failed:
		return retry(hr)
	default:
		every := shortDuration(hr.GetInterval())
		return Next{Action: NextAudit, Every: every, Message: "the controller sees changes immediately; an audit runs every " + every}
	}
}

// shortDuration leaves out the zeros at the end: 1h instead of 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// windowNext is what comes next for a release that a window holds; false for any other.
func windowNext(hr *v1beta1.HelmRelease) (Next, bool) {
	held := hr.Status.Held
	if held == nil || held.Reason != v1beta1.HeldByWindow {
		return Next{}, false
	}
	return heldNext(held.Until), true
}

// heldNext is what comes next for an object that a window or a freeze holds until a time; nil is not known.
func heldNext(until *metav1.Time) Next {
	if until == nil {
		return Next{Action: NextChange, Message: "nothing until the window or the freeze that holds it is changed"}
	}
	return Next{
		Action: NextWait, At: until.DeepCopy(), Message: "the controller applies what is held when that ends",
	}
}

// approveNext says how the plan of an object is approved. word is what the commands call its kind.
func approveNext(word string, o v1beta1.Conditioned, digest string) Next {
	return Next{Action: NextChange, Message: fmt.Sprintf("nothing until the plan is approved; to approve it: fairlead "+
		"approve %s %s --plan %s -n %s, or set spec.sync.approved to %s where the %s is declared", strings.ToLower(word),
		o.GetName(), v1beta1.ShortDigest(digest), o.GetNamespace(), digest, word)}
}

// waiting says what a release waits for that has a time, and until when.
func waiting(hr *v1beta1.HelmRelease) Next {
	if p := hr.Status.Plan; p != nil && reasonOf(hr) == v1beta1.AwaitingApprovalReason {
		return approveNext("release", hr, p.Digest)
	}
	if a := hr.Status.Adoption; a != nil && a.Until != nil && reasonOf(hr) == v1beta1.AdoptionHeldReason {
		return Next{Action: NextWait, At: a.Until.DeepCopy(),
			Message: "the controller upgrades the adopted release then, which " +
				"overwrites what Drifted names; to upgrade before: fairlead reconcile release " + hr.Name + " -n " +
				hr.Namespace}
	}
	return Next{Action: NextWait, Message: "the controller continues when what the release waits for is ready"}
}

func deletingMessage(hr *v1beta1.HelmRelease) string {
	if hr.Spec.Suspend {
		return "the object goes away; it is suspended, so the Helm release stays"
	}
	if hr.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan {
		return "the object goes away; its deletionPolicy is Orphan, so the Helm release stays"
	}
	return "the Helm release is uninstalled, then the object goes away"
}

func retry(hr *v1beta1.HelmRelease) Next {
	next := Next{
		Action: NextRetry,
		Message: "the controller retries; " +
			"a change of the chart, the values or the spec starts an attempt immediately",
	}
	if at, known := plan.NextAttempt(hr); known {
		next.At = &metav1.Time{Time: at}
	}
	return next
}
