package plan

import "time"

// Step is one thing to do.
type Step string

// Steps of a plan.
const (
	// None: nothing is left to do until something changes.
	None Step = "none"
	// Wait: nothing is done now; the plan says for how long, or why only the user can help.
	Wait Step = "wait"
	// Need: the decision needs a fact first.
	Need Step = "need"
	// Unlock: a record that was left pending is marked failed.
	Unlock Step = "unlock"
	// Install, Upgrade and Uninstall are Helm's actions.
	Install   Step = "install"
	Upgrade   Step = "upgrade"
	Uninstall Step = "uninstall"
)

// Fact is something that costs a request to find out.
type Fact string

// FactHistory is the list of records of the Helm release.
const FactHistory Fact = "history"

// Plan is the decision.
type Plan struct {
	// Step to take.
	Step Step
	// Fact that is needed, for Need.
	Fact Fact
	// Target the step is about.
	Target Target
	// Reason in one word, for conditions, events and metrics.
	Reason string
	// Message for people: what happens and why.
	Message string
	// After is how long to Wait; zero means until something changes.
	After time.Duration
	// Stalled is set on Wait when only new input can help.
	Stalled bool
}

// Acts tells whether the step changes the cluster.
func (p Plan) Acts() bool {
	switch p.Step {
	case Unlock, Install, Upgrade, Uninstall:
		return true
	default:
		return false
	}
}
