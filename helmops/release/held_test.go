package release

import (
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

func TestReleased(t *testing.T) {
	t.Parallel()
	history := func(statuses ...string) (s v1beta1.HelmReleaseStatus) {
		for _, status := range statuses {
			s.History = append(s.History, v1beta1.Snapshot{Status: status})
		}
		return s
	}
	verified := history(plan.StatusFailed)
	verified.LastVerified = &v1beta1.Verified{}
	for name, tt := range map[string]struct {
		status v1beta1.HelmReleaseStatus
		want   bool
	}{
		"nothing":              {history(), false},
		"a failed install":     {history(plan.StatusFailed), false},
		"it runs":              {history(plan.StatusDeployed), true},
		"a failed upgrade":     {history(plan.StatusFailed, plan.StatusSuperseded), true},
		"it was good long ago": {verified, true},
	} {
		if got := Released(&tt.status); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// A step that was begun before a freeze is not superseded by it; one of the present chart is, once the freeze is over.
func TestHold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	present := v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: "sha256:0"}
	newest := v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:1"}
	facts := plan.UpgradeFacts{Wanted: newest, Present: present, Released: true, Follows: true, Holds: []plan.Hold{{
		Reason: v1beta1.HeldByFreeze, Message: "ReleaseFreeze sale", Until: now.Add(time.Hour), RangeOnly: true,
	}}}
	held := Inputs{Chart: newest}
	held.Hold(facts, now)
	note := "it stays at this chart, and does not take version 1.1.0: Frozen: ReleaseFreeze sale"
	if held.Chart != present || held.Note != note {
		t.Errorf("chart %s, note %q", held.Chart, held.Note)
	}
	shown := held.Held.Status()
	if shown.ChartVersion != "1.1.0" || shown.ChartDigest != newest.Digest ||
		!shown.Until.Time.Equal(now.Add(time.Hour)) {
		t.Errorf("status.held is %+v", shown)
	}
	if got := held.Unheld(Inputs{Chart: newest}).Chart; got != newest {
		t.Errorf("an upgrade that has begun gets %s", got)
	}
	if got := held.Unheld(Inputs{Chart: present}).Chart; got != present {
		t.Errorf("an upgrade of the values gets %s", got)
	}
	free := Inputs{Chart: newest}
	free.Hold(facts, now.Add(time.Hour))
	if free.Chart != newest || free.Held.Status() != nil || free.Note != "" {
		t.Errorf("after the freeze: %+v", free)
	}
}
