package status

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// The event after an upgrade says whose revision went: what a user did with the helm command is undone.
func TestAnUpgradeNamesTheRevisionOfAnotherClient(t *testing.T) {
	t.Parallel()
	history := func(digest string) func(*Outcome) {
		return func(o *Outcome) {
			newest := o.History[0]
			newest.Version = 4
			former := newest
			former.Version, former.Chart.Digest, former.Status = 3, digest, "superseded"
			o.History = []plan.Record{newest, former}
		}
	}
	adopted := func(hr *v1beta1.HelmRelease) {
		hr.Status.History = []v1beta1.Snapshot{{Namespace: "apps", Name: "web", Version: 3, ChartDigest: "sha256:1"}}
	}
	const plain = "apps/web revision 4 runs web 1.0.0"
	tests := []struct {
		name    string
		release *v1beta1.HelmRelease
		outcome Outcome
		want    string
	}{
		{"after helm rollback", helmRelease(), outcome(plan.Upgrade, history("")),
			"revision 3 of another Helm client was replaced by the declared state: " + plain},
		{"after a revision of ours", helmRelease(), outcome(plan.Upgrade, history("sha256:1")), plain},
		{"after a revision that was adopted", helmRelease(adopted), outcome(plan.Upgrade, history("")), plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			event := ReleaseDone(tt.release, tt.outcome, now)
			if event.Message != tt.want || event.Reason != v1beta1.UpgradeSucceededReason {
				t.Errorf("the event is %+v, want %q", event, tt.want)
			}
			if got := Message(tt.release); got != plain {
				t.Errorf("Ready says %q, want %q", got, plain)
			}
		})
	}
}
