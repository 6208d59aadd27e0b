package view

import (
	"errors"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestRollbackTarget(t *testing.T) {
	t.Parallel()
	rev := func(version int, state, chart string) v1beta1.Snapshot {
		return v1beta1.Snapshot{Version: version, Status: state, ChartName: "shop", ChartVersion: chart, ChartDigest: "d" + chart, ConfigDigest: "c"}
	}
	tested := rev(4, plan.StatusSuperseded, "4")
	tested.TestHooks = map[string]v1beta1.TestHook{"t": {Phase: "Failed"}}
	tests := []struct {
		name     string
		history  []v1beta1.Snapshot
		verified int
		bad      string
		revision int
		want     int
	}{
		{"the newest good one", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 0, "", 0, 2},
		{"what was verified goes first", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 1, "", 0, 1},
		{"what runs is verified", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2")}, 3, "", 0, 2},
		{"the same input again is no way back", []v1beta1.Snapshot{rev(3, "deployed", "2"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 2, "", 0, 1},
		{"from a failed revision to one of the same input", []v1beta1.Snapshot{rev(3, "failed", "2"), rev(2, "superseded", "2")}, 2, "", 0, 2},
		{"failed tests", []v1beta1.Snapshot{rev(5, "deployed", "5"), tested, rev(3, "superseded", "3")}, 0, "", 0, 3},
		{"turned out bad", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 0, "2", 0, 1},
		{"only failed ones", []v1beta1.Snapshot{rev(2, "deployed", "2"), rev(1, "failed", "1")}, 0, "", 0, 0},
		{"named", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "superseded", "2"), rev(1, "superseded", "1")}, 2, "1", 1, 1},
		{"named, what runs: to stay there", []v1beta1.Snapshot{rev(3, "deployed", "3")}, 0, "", 3, 3},
		{"named, failed", []v1beta1.Snapshot{rev(3, "deployed", "3"), rev(2, "failed", "2")}, 0, "", 2, 0},
		{"named, pending", []v1beta1.Snapshot{rev(3, "pending-upgrade", "3"), rev(2, "deployed", "2")}, 0, "", 3, 0},
		{"named, unknown", []v1beta1.Snapshot{rev(3, "deployed", "3")}, 0, "", 9, 0},
	}
	for _, tt := range tests {
		hr := release()
		hr.Status.InputDigest, hr.Status.History = "sha256:1", tt.history
		if tt.verified > 0 {
			hr.Status.LastVerified = &v1beta1.Verified{Revision: tt.verified}
		}
		if tt.bad != "" {
			hr.Status.KnownBad = []v1beta1.KnownBad{{ChartDigest: "d" + tt.bad, ConfigDigest: "c"}}
		}
		got, err := RollbackTarget(hr, tt.revision)
		var refused *NoRollbackError
		if tt.want == 0 {
			if !errors.As(err, &refused) {
				t.Errorf("%s: revision %d and %v, want a refusal", tt.name, got.Version, err)
			}
			continue
		}
		if err != nil || got.Version != tt.want {
			t.Errorf("%s: revision %d and %v, want %d", tt.name, got.Version, err, tt.want)
		}
		hr.Status.InputDigest = ""
		if _, err := RollbackTarget(hr, tt.revision); !errors.As(err, &refused) {
			t.Errorf("%s: %v without the digest of the input", tt.name, err)
		}
	}
}
