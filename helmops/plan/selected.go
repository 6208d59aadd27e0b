package plan

import (
	"fmt"
	"time"

	"fairlead.dev/fairlead/helmops/window"
)

// selected brings objects that a user named back to what the revision that runs says, whether or not drift is corrected
// otherwise, when nothing else has to be done with the release.
func selected(d Desired, o Observed, now time.Time, otherwise Plan) (Plan, bool) {
	if len(d.Selected) == 0 || !o.mayLook(d, otherwise) {
		return Plan{}, false
	}

	if closed, isClosed := d.Windows.holdRepairs(now); isClosed {
		otherwise.Note = noted(otherwise.Note, window.Describe("the sync of objects", closed, 0))
		return otherwise, true
	}

	return Plan{
		Step: Correct, Reason: ReasonSelected, To: o.History.Newest().Version, Objects: d.Selected,
		Message: fmt.Sprintf("a user asked for the sync of %d objects", len(d.Selected)),
	}, true
}
