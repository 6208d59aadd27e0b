package plan

import (
	"fmt"
	"time"
)

// endsOnRequest reports whether a user can end the attempt. One that only finds something out, or corrects what is
// applied, is short.
func (r *Running) endsOnRequest() bool { return !r.Preview && !r.Repair }

// cancelledWith reports whether the user cancelled an attempt with these inputs, or the wait for health after it.
func (a Attempt) cancelledWith(digest string) bool {
	return a.Cancelled != nil && a.Cancelled.Digest == digest
}

// cancelled makes no attempt with the inputs of one that the user cancelled before everything was applied.
func cancelled(_ Desired, o Observed, _ time.Time) (Plan, bool) {
	if !o.Attempt.cancelledWith(o.Inputs.Digest) || o.Attempt.Applied == o.Inputs.Digest {
		return Plan{}, false
	}
	return Plan{Step: Wait, Reason: ReasonCancelled, Message: fmt.Sprintf(
		"a user cancelled applying %s; it is not tried again until it changes or the user asks for it",
		o.Attempt.Cancelled.Revision)}, true
}
