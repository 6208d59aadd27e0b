package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// adoptable is a release of another Helm client that the object has claimed.
func adoptable(change ...func(*Observed)) Observed {
	o := observed(record(3, StatusDeployed, chart1, foreign, by(self), func(r *Record) { r.Digest = "sha256:3" }))
	for _, c := range change {
		c(&o)
	}
	return o
}

// heldUntil makes it a release whose live objects differ in what the upgrade to new values overwrites.
func heldUntil(at time.Time) func(*Observed) {
	return func(o *Observed) {
		o.Differs = true
		o.Adoption = &Adoption{
			Record: "sha256:3", Generation: 1, ChartDigest: chart1.Digest, ConfigDigest: "sha256:new", Until: at,
		}
	}
}

func TestTheFirstUpgradeOfAnAdoptedRelease(t *testing.T) {
	newValues := func(d *Desired) { d.ConfigDigest, d.Corrects = "sha256:new", true }
	soon := now.Add(4 * time.Minute)
	unlike := func(change func(*Adoption)) func(*Observed) {
		return func(o *Observed) {
			heldUntil(soon)(o)
			change(o.Adoption)
		}
	}
	unclaimed := func(o *Observed) { o.History.Records[0].Owner = Owner{} }
	tests := []decision{
		{name: "the object is written into the record first", desired: desired(newValues),
			observed: adoptable(unclaimed), step: Claim, reason: ReasonUnowned},
		{name: "the live objects are compared before the upgrade to new values", desired: desired(newValues),
			observed: adoptable(), step: Inspect, reason: ReasonAdopting,
			message: "revision 3 of another Helm client before its upgrade (values)"},
		{name: "they are compared before the upgrade to what the chart renders otherwise", desired: desired(),
			observed: compared(adoptable(), false), step: Inspect, reason: ReasonAdopting,
			message: "differs from what"},
		{name: "they are compared in every mode of drift detection",
			desired:  desired(newValues, func(d *Desired) { d.Corrects = false }),
			observed: adoptable(), step: Inspect, reason: ReasonAdopting},
		{name: "where they differ, the upgrade waits", desired: desired(newValues),
			observed: adoptable(heldUntil(soon)),
			step:     Wait, reason: v1beta1.AdoptionHeldReason, after: 4 * time.Minute,
			message: "waits until 2026-03-01T12:04:00Z"},
		{name: "where it is not known whether they differ, the upgrade waits", desired: desired(newValues),
			observed: adoptable(heldUntil(soon), func(o *Observed) { o.Differs = false }),
			step:     Wait, reason: v1beta1.AdoptionHeldReason, after: 4 * time.Minute},
		{name: "objects that change during the wait are looked at and not corrected", desired: desired(newValues),
			observed: adoptable(heldUntil(soon), func(o *Observed) {
				o.Drifted, o.Probation = []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap"}}, true
			}), step: Inspect, reason: ReasonDrifted},
		{name: "when the time is over, the upgrade follows", desired: desired(newValues),
			observed: adoptable(heldUntil(now)),
			step:     Upgrade, reason: ReasonChanged, message: "values"},
		{name: "where nothing differs, the upgrade follows", desired: desired(newValues),
			observed: adoptable(heldUntil(time.Time{})), step: Upgrade, reason: ReasonChanged},
		{name: "when the edits are taken back, the upgrade follows", desired: desired(newValues),
			observed: adoptable(heldUntil(soon), func(o *Observed) { o.Differs, o.Matches = false, true }),
			step:     Upgrade, reason: ReasonChanged},
		{name: "a request ends the wait", desired: desired(newValues, func(d *Desired) { d.Retry = true }),
			observed: adoptable(heldUntil(soon)), step: Upgrade, reason: ReasonChanged},
		{name: "a forced upgrade is not preceded by anything", desired: desired(newValues,
			func(d *Desired) { d.Force = true }),
			observed: adoptable(), step: Upgrade, reason: ReasonForced},
		{name: "a mode that does not correct ends the wait",
			desired:  desired(newValues, func(d *Desired) { d.Corrects = false }),
			observed: adoptable(heldUntil(soon)), step: Upgrade, reason: ReasonChanged},
		{name: "a change of the spec is compared again", desired: desired(newValues),
			observed: adoptable(unlike(func(a *Adoption) { a.Generation = 7 })), step: Inspect, reason: ReasonAdopting},
		{name: "another chart is compared again", desired: desired(newValues),
			observed: adoptable(unlike(func(a *Adoption) { a.ChartDigest = chart2.Digest })), step: Inspect,
			reason: ReasonAdopting},
		{name: "other values are compared again", desired: desired(newValues),
			observed: adoptable(unlike(func(a *Adoption) { a.ConfigDigest = "sha256:c" })), step: Inspect,
			reason: ReasonAdopting},
		{name: "another record is compared again", desired: desired(newValues),
			observed: adoptable(unlike(func(a *Adoption) { a.Record = "sha256:2" })), step: Inspect,
			reason: ReasonAdopting},
		{name: "a release that was taken over as it is is compared before its first upgrade, too",
			desired:  desired(newValues),
			observed: adoptable(func(o *Observed) { o.History.Records[0].Chart.Digest = chart1.Digest }),
			step:     Inspect, reason: ReasonAdopting},
		{name: "an object that is suspended has nothing compared",
			desired:  desired(newValues, func(d *Desired) { d.Suspended = true }),
			observed: adoptable(), step: None, reason: v1beta1.SuspendedReason},
		{name: "a revision of our own is upgraded without a comparison", desired: desired(newValues),
			observed: observed(record(3, StatusDeployed, chart1)), step: Upgrade, reason: ReasonChanged},
		{name: "a revision by hand of a release of our own is replaced without a comparison",
			desired: desired(newValues),
			observed: observed(record(3, StatusDeployed, chart1, foreign, by(self)), record(2, StatusSuperseded,
				chart1)),
			step: Upgrade, reason: ReasonChanged},
		{name: "a failed revision is replaced without a comparison", desired: desired(newValues),
			observed: observed(record(3, StatusFailed, chart1, foreign, by(self))), step: Upgrade,
			reason: ReasonFailed},
		{name: "an adopted release with a chart of another name is upgraded and not uninstalled",
			desired:  desired(newValues, func(d *Desired) { d.Chart.Name = "shop" }),
			observed: adoptable(), step: Inspect, reason: ReasonAdopting, message: "chart web → shop"},
		{name: "a release that was not upgraded yet is left behind on deletion",
			desired:  desired(newValues, func(d *Desired) { d.Deleting = true }),
			observed: adoptable(heldUntil(soon)), step: None, reason: ReasonGone, message: "left alone"},
		{name: "a release that was taken over as it is goes with the object",
			desired:  desired(func(d *Desired) { d.Deleting = true }),
			observed: adoptable(func(o *Observed) { o.History.Records[0].Chart.Digest = chart1.Digest }),
			step:     Uninstall, reason: ReasonDeleted},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.check)
	}
}
