package plan

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestDecideSelectedObjects(t *testing.T) {
	t.Parallel()
	refs := []v1beta1.ResourceRef{{ID: "apps_web__ConfigMap"}}
	asked := func(changes ...func(*Desired)) Desired {
		return desired(append([]func(*Desired){func(d *Desired) { d.Selected = refs }}, changes...)...)
	}
	deployed := observed(record(1, StatusDeployed, chart1))
	drifts := deployed
	drifts.Drifted = []v1beta1.ResourceRef{{ID: "apps_other__ConfigMap"}}
	backsOff := attempt(deployed, Attempt{
		Action: Upgrade, ChartDigest: chart2.Digest, At: now.Add(-time.Second), Failures: 1,
	})
	for _, tt := range []decision{
		{
			name: "they are corrected, whether or not drift is", desired: asked(), observed: deployed,
			step: Correct, reason: ReasonSelected, message: "the sync of 1 objects",
		},
		{
			name: "before what drifted", desired: asked(func(d *Desired) { d.Corrects = true }), observed: drifts,
			step: Correct, reason: ReasonSelected,
		},
		{
			name: "an upgrade goes first", desired: asked(func(d *Desired) { d.Chart = chart2 }), observed: deployed,
			step: Upgrade, reason: ReasonChanged,
		},
		{
			name:    "while an upgrade waits to be tried again, they are corrected",
			desired: asked(func(d *Desired) { d.Chart = chart2 }), observed: backsOff, step: Correct, reason: ReasonSelected,
		},
		{
			name: "a revision that failed has nothing to go back to", desired: asked(func(d *Desired) { d.Chart = chart2 }),
			observed: attempt(observed(record(1, StatusFailed, chart2)), Attempt{
				Action: Install, ChartDigest: chart2.Digest, At: now, Failures: 1, InstallFailures: 1,
			}),
			step: Wait, reason: ReasonBackoff, after: 30 * time.Second,
		},
	} {
		t.Run(tt.name, tt.check)
	}

	if p := Decide(asked(), deployed, now); len(p.Objects) != 1 || p.To != 1 {
		t.Errorf("got %+v", p)
	}
}
