package storage

import (
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"

	"fairlead.dev/fairlead/helmops/plan"
)

func TestForwardOnly(t *testing.T) {
	t.Parallel()
	begun := helmtime.Time{Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	const (
		marked   = "metadata:\n  annotations:\n    fairlead.dev/migration: \"true\"\n"
		unmarked = "metadata:\n  annotations:\n    fairlead.dev/migration: \"false\"\n"
	)
	hook := func(manifest string, phase release.HookPhase, started helmtime.Time) []*release.Hook {
		return []*release.Hook{
			{Name: "schema", Manifest: manifest, LastRun: release.HookExecution{Phase: phase, StartedAt: started}},
		}
	}
	later, earlier := begun.Add(time.Second), begun.Add(-time.Second)
	tests := []struct {
		name        string
		annotations map[string]string
		hooks       []*release.Hook
		want        string
	}{
		{name: "nothing says so"},
		{name: "the chart says so", annotations: map[string]string{"fairlead.dev/rollback": "forward-only"},
			want: "the chart says that it cannot be rolled back (annotation fairlead.dev/rollback: forward-only)"},
		{name: "another word", annotations: map[string]string{"fairlead.dev/rollback": "yes"}},
		{
			name: "a migration", hooks: hook(marked, release.HookPhaseSucceeded, later),
			want: `its migration hook "schema" has run`,
		},
		{name: "a migration that failed", hooks: hook(marked, release.HookPhaseFailed, later)},
		{name: "a migration of the revision that was gone back to", hooks: hook(marked, release.HookPhaseSucceeded, earlier)},
		{name: "another hook", hooks: hook(unmarked, release.HookPhaseSucceeded, later)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rel := &release.Release{
				Name: "web", Version: 2, Info: &release.Info{LastDeployed: begun}, Hooks: tt.hooks,
				Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "web", Annotations: tt.annotations}},
			}
			text := note(rel, packed{data: []byte("x")}, Note{}, nil, plan.OutcomeFailed).text()
			if got := parseNote(text).record(2, time.Time{}).ForwardOnly; got != tt.want {
				t.Errorf("noted is %q, want %q", got, tt.want)
			}
			if got := recordOf(rel).ForwardOnly; got != tt.want {
				t.Errorf("of a record without a note %q, want %q", got, tt.want)
			}
		})
	}
}

func TestForwardOnlyIsNotedWhenThereIsLittleRoom(t *testing.T) {
	t.Parallel()
	n := noted{Content: "x", ForwardOnly: "because", Description: strings.Repeat("x", 2*maxNote)}
	if got := parseNote(n.text()); got.ForwardOnly != "because" || !got.Partial {
		t.Errorf("got %+v", got)
	}
}
