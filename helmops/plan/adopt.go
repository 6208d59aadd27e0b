package plan

import (
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// AdoptionReport is how long the differences of an adopted release are reported before they are overwritten, by a
// correction or by the first upgrade.
const AdoptionReport = 10 * time.Minute

// Adoption is a comparison of the live objects with a revision of another Helm client, before its first upgrade.
type Adoption struct {
	// Record is the digest of the record of the revision.
	Record string
	// Generation, ChartDigest and ConfigDigest are the input of the upgrade that it was made for.
	Generation   int64
	ChartDigest  string
	ConfigDigest string
	// Until is when the upgrade follows; zero when it does not wait.
	Until time.Time
}

// of reports whether the comparison is about the revision and the input that is wanted.
func (a *Adoption) of(d Desired, r *Record) bool {
	return a != nil && a.Record == r.Digest && a.Generation == d.Generation &&
		Input{Chart: a.ChartDigest, Config: a.ConfigDigest} == d.Input().Unrendered()
}

// isTheirs reports whether other Helm clients made every revision in storage.
func (o Observed) isTheirs() bool {
	return !o.absent() && !slices.ContainsFunc(o.History.Records, func(r Record) bool { return r.Ours })
}

// untouched reports whether the release is as other Helm clients made it, and was not found to be as wanted.
func (o Observed) untouched() bool { return o.isTheirs() && o.History.Newest().Chart.Digest == "" }

// adopting compares the live objects with the revision that is adopted before the first upgrade overwrites them. Where
// they differ, drift is corrected, and the upgrade would undo it, the upgrade follows after a while.
func adopting(d Desired, o Observed, now time.Time, otherwise Plan) (Plan, bool) {
	replaces := otherwise.Step == Upgrade && (otherwise.Reason == ReasonForeign || otherwise.Reason == ReasonChanged)
	if !replaces || !o.isTheirs() || o.History.Newest().Status != StatusDeployed {
		return Plan{}, false
	}

	newest := o.History.Newest()
	if !o.Adoption.of(d, newest) {
		return Plan{Step: Inspect, Reason: ReasonAdopting, To: newest.Version, Message: fmt.Sprintf(
			"the live objects are compared with revision %d of another Helm client before its upgrade (%s)",
			newest.Version, otherwise.Message)}, true
	}

	wait := o.Adoption.Until.Sub(now)
	if wait <= 0 || o.Matches || !d.Corrects || d.Retry {
		return Plan{}, false
	}

	return Plan{Step: Wait, Reason: v1beta1.AdoptionHeldReason, After: wait, Message: fmt.Sprintf(
		"the first upgrade of the adopted revision %d (%s) waits until %s, because live objects differ from the "+
			"revision and the upgrade would overwrite that; the condition Drifted names them",
		newest.Version, otherwise.Message, o.Adoption.Until.UTC().Format(time.RFC3339))}, true
}
