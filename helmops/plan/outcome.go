package plan

// RevisionOutcome is how a revision ended, which Helm's status does not say for every revision. It is stored with the
// record of the revision: the values never change their meaning.
type RevisionOutcome string

// Outcomes of a revision. An empty one is that of a revision whose action is under way, or of which it is not known.
const (
	// OutcomeSucceeded: the revision was rolled out as a whole.
	OutcomeSucceeded RevisionOutcome = "succeeded"
	// OutcomeFailed: the action that made the revision failed.
	OutcomeFailed RevisionOutcome = "failed"
	// OutcomeSuperseded: the action was ended because other inputs were wanted by then. That says nothing against its
	// own.
	OutcomeSuperseded RevisionOutcome = "superseded"
	// OutcomeInterrupted: the action was left unfinished, and the revision was marked as failed later.
	OutcomeInterrupted RevisionOutcome = "interrupted"
	// OutcomeCancelled: a user cancelled the action.
	OutcomeCancelled RevisionOutcome = "cancelled"
)

// failed reports whether the revision was never rolled out as a whole. An outcome that only a later version knows
// counts as that.
func (o RevisionOutcome) failed() bool { return o != "" && o != OutcomeSucceeded }

// ActionOf names the action that a revision with a pending status is made by; empty for any other status.
func ActionOf(status string) Step { return finishes[status] }
