package plan

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func deleting(d *Desired) { d.Deleting, d.Generation = true, 2 }

// beside is what is observed of a release that is not there, and of another of its name that is.
func beside(namesake Namesake) Observed {
	o := observed()
	o.History.Namesake = &namesake
	return o
}

func TestDecideByOwner(t *testing.T) {
	t.Parallel()
	shop := func(d *Desired) { d.Chart.Name = "shop" }
	managed := func(living Owner, r Record) Observed {
		o := observed(r)
		o.Owner = &living
		return o
	}
	none := Owner{}
	tests := []decision{
		{name: "who else owns a release is asked for first", desired: desired(),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1, by(other))}}}.Gathered(), step: Need, reason: "owner"},
		{name: "of a release that the record says is its own, nothing is asked", desired: desired(),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1)}}}.Gathered(), step: None, reason: ReasonInSync},
		{name: "of a release that its status says it manages and no record contradicts, nothing is asked", desired: desired(),
			observed: observed(record(1, StatusDeployed, chart1, by(none))), step: Claim, reason: ReasonUnowned},

		{name: "the release of another HelmRelease is not upgraded", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: unmanaged(other, record(1, StatusDeployed, chart1, by(other))), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor uninstalled for a chart of another name", desired: desired(shop),
			observed: unmanaged(other, record(1, StatusDeployed, chart1, by(other))), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor uninstalled with an object that never had a status", desired: desired(deleting),
			observed: unmanaged(other, record(7, StatusDeployed, chart1, by(other))), step: None, reason: v1beta1.OwnedByOtherReason, message: "stay"},
		{name: "nor uninstalled with an object whose status says that it managed the release", desired: desired(deleting),
			observed: managed(other, record(7, StatusDeployed, chart1, by(other))), step: None, reason: v1beta1.OwnedByOtherReason},
		{name: "nor unlocked", desired: desired(),
			observed: unmanaged(other, record(2, StatusPendingUpgrade, chart1, by(other))), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor upgraded by force", desired: desired(func(d *Desired) { d.Force = true }),
			observed: unmanaged(other, record(1, StatusDeployed, chart1, by(other))), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor rolled back", desired: desired(func(d *Desired) { d.Pin = &Pin{Revision: 1} }),
			observed: unmanaged(other, record(2, StatusDeployed, chart1, by(other)), record(1, StatusSuperseded, chart1, by(other))),
			step:     Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor tested", desired: desired(func(d *Desired) { d.Tests.Enabled = true }),
			observed: unmanaged(other, record(1, StatusDeployed, chart1, by(other), func(r *Record) { r.Tests = []TestRun{{Name: "a", Phase: "Unknown"}} })),
			step:     Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "nor uninstalled after it moved to its present owner", desired: desired(deleting),
			observed: func() Observed {
				o := managed(other, record(1, StatusDeployed, chart1, by(other)))
				o.Moved = &Target{Name: "old"}
				return o
			}(), step: None, reason: v1beta1.OwnedByOtherReason},
		{name: "nor are its objects corrected", desired: desired(func(d *Desired) { d.Corrects = true }),
			observed: func() Observed {
				o := managed(other, record(1, StatusDeployed, chart1, by(other)))
				o.Drifted, o.AuditAt = []v1beta1.ResourceRef{{ID: "a"}}, now
				return o
			}(), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "a release that names no owner belongs to the one whose status manages it", desired: desired(),
			observed: unmanaged(other, record(1, StatusDeployed, chart1, by(none))), step: Wait, reason: v1beta1.OwnedByOtherReason},
		{name: "what was uninstalled has no owner", desired: desired(),
			observed: unmanaged(other, record(1, StatusUninstalled, chart1, by(other))), step: Install, reason: ReasonAbsent},

		{name: "a release is not installed where another of its name has its records", desired: desired(),
			observed: beside(Namesake{Namespace: "team", Owner: Owner{Namespace: "apps", Name: "shop"}}),
			step:     Wait, reason: v1beta1.OwnedByOtherReason,
			message: "Helm release team/web already, which is owned by HelmRelease apps/shop; nothing is installed"},
		{name: "nor where nobody knows its owner, by force", desired: desired(func(d *Desired) { d.Force = true }),
			observed: beside(Namesake{Namespace: "team"}), step: Wait, reason: v1beta1.OwnedByOtherReason,
			message: "names no HelmRelease"},
		{name: "an object that could not be installed for that goes", desired: desired(deleting),
			observed: beside(Namesake{Namespace: "team"}), step: None, reason: ReasonGone},
		{name: "a release whose owner is gone is claimed when it is as wanted", desired: desired(),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(other))), step: Claim, reason: ReasonOwnerGone},
		{name: "and upgraded when it is not, which claims it", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(other))), step: Upgrade, reason: ReasonChanged},
		{name: "but not uninstalled for a chart of another name before it is claimed", desired: desired(shop),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(other))), step: Upgrade, reason: ReasonChanged},
		{name: "nor on deletion before it is claimed", desired: desired(deleting),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(other))), step: None, reason: ReasonGone},
		{name: "a release that names no owner is not uninstalled before it is claimed", desired: desired(deleting),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(none))), step: None, reason: ReasonGone, message: "left alone"},
		{name: "nor for a chart of another name", desired: desired(shop),
			observed: unmanaged(none, record(1, StatusDeployed, chart1, by(none))), step: Upgrade, reason: ReasonChanged},
		{name: "a release that names no owner is uninstalled with the object that manages it", desired: desired(deleting),
			observed: observed(record(1, StatusDeployed, chart1, by(none))), step: Uninstall, reason: ReasonDeleted},

		{name: "an object that was created again has its release", desired: desired(),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1, by(before))}}}.Gathered(), step: Claim, reason: ReasonUnowned,
			message: "an earlier HelmRelease"},
		{name: "and upgrades it at once", desired: desired(func(d *Desired) { d.Chart = chart2 }),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1, by(before))}}}.Gathered(), step: Upgrade, reason: ReasonChanged},
		{name: "and uninstalls it", desired: desired(deleting),
			observed: Observed{History: &History{Records: []Record{record(1, StatusDeployed, chart1, by(before))}}}.Gathered(), step: Uninstall, reason: ReasonDeleted},

		{name: "drift waits for the claim", desired: desired(func(d *Desired) { d.Corrects = true }),
			observed: func() Observed {
				o := observed(record(1, StatusDeployed, chart1, by(none)))
				o.Drifted = []v1beta1.ResourceRef{{ID: "a"}}
				return o
			}(), step: Claim, reason: ReasonUnowned},
		{name: "a claim that failed waits", desired: desired(),
			observed: attempt(observed(record(1, StatusDeployed, chart1, by(none))), Attempt{ChartDigest: "sha256:of no attempt", Failures: 1, At: now.Add(-10 * time.Second)}),
			step:     Wait, reason: ReasonBackoff, after: 20 * time.Second},
		{name: "nothing is claimed while it is suspended", desired: desired(func(d *Desired) { d.Suspended = true }),
			observed: observed(record(1, StatusDeployed, chart1, by(none))), step: None, reason: v1beta1.SuspendedReason},
	}
	for _, tt := range tests {
		t.Run(tt.name, tt.check)
	}
}

// Who may read an object may read the others of its namespace, and not those of other namespaces.
func TestAnOwnerIsNamedInItsOwnNamespaceOnly(t *testing.T) {
	t.Parallel()
	sibling := Owner{Namespace: self.Namespace, Name: "shop", UID: "3"}
	p := Decide(desired(), unmanaged(sibling, record(1, StatusDeployed, chart1, by(sibling))), now)
	if !p.Stalled || !strings.Contains(p.Message, "is owned by HelmRelease apps/shop") {
		t.Errorf("stalled %v: %s", p.Stalled, p.Message)
	}
	for _, d := range []Desired{desired(), desired(deleting)} {
		p = Decide(d, unmanaged(other, record(1, StatusDeployed, chart1, by(other))), now)
		if !strings.Contains(p.Message, "a HelmRelease of another namespace") || strings.Contains(p.Message, other.Name) ||
			strings.Contains(p.Message, other.Namespace) {
			t.Error(p.Message)
		}
	}
}
