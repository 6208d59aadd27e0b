package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// ListAgain is the pause after the objects of a release could not be listed.
const ListAgain = time.Minute

// AdoptionSchedule decides about a release that another client installed: when its objects are listed, and how long
// its drift is only reported. The zero value has decided nothing.
type AdoptionSchedule struct {
	// listed is when the objects were listed; zero when that was not needed.
	listed time.Time
	// next is when they are listed again after a failure.
	next time.Time
	// reporting is set while drift is reported and not corrected.
	reporting bool
}

// Unlisted reports whether to list the objects of a release without an inventory now, and otherwise when; zero is
// never. recorded is the status of its newest record.
func (a *AdoptionSchedule) Unlisted(recorded string, now time.Time) (due bool, again time.Duration) {
	if recorded != StatusDeployed {
		return false, 0
	}
	if wait := a.next.Sub(now); wait > 0 {
		return false, wait
	}
	return true, 0
}

// Listed notes that the objects were listed, or that they could not be.
func (a *AdoptionSchedule) Listed(ok bool, now time.Time) {
	if !ok {
		a.next = now.Add(ListAgain)
		return
	}
	a.listed = now
	a.next = time.Time{}
}

// Probation returns for how long the drift of a release is still only reported; zero when it may be corrected. latest
// is its newest revision, released since when that is wanted, the zero time while it is not. over is set once, when
// the time has passed: what differs then has to be compared once more.
func (a *AdoptionSchedule) Probation(
	latest *v1beta1.Snapshot, mode string, released, now time.Time,
) (left time.Duration, over bool) {
	if latest == nil || latest.Action != "" || mode != v1beta1.DriftEnabled {
		a.reporting = false
		return 0, false
	}

	since := a.listed
	switch {
	case released.IsZero():
		since = now
	case released.After(since):
		since = released
	}

	if left := since.Add(AdoptionReport).Sub(now); left > 0 {
		a.reporting = true
		return left, false
	}

	over = a.reporting
	a.reporting = false
	return 0, over
}
