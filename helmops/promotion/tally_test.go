package promotion

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Each row is a fleet, one letter for each HelmRelease: v for verified, f for failed, w for waiting.
func TestMinVerified(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fleet string
		share Share
		want  Result
		says  string
		since int // minutes after the delivery
	}{
		{"vv", Share{}, Pass, "verified by all HelmReleases", 2},
		{"vw", Share{}, Wait, "1 of 2 HelmReleases have not verified it: apps/r2: baking", 0},
		{"vf", Share{}, Fail, "HelmRelease apps/r2: it crashed", 0},
		{"wf", Share{}, Fail, "HelmRelease apps/r2", 0},
		{"vvv", Share{Count: 2}, Pass, "verified by all HelmReleases", 2},
		{"vvw", Share{Count: 2}, Pass, "verified by 2 of 3 HelmReleases, 2 have to", 2},
		{"vvf", Share{Count: 2}, Pass, "verified by 2 of 3", 2},
		{"vwf", Share{Count: 2}, Wait, "verified by 1 of 3 HelmReleases, 2 have to: apps/r3: it crashed; " +
			"apps/r2: baking", 0},
		{"wwf", Share{Count: 2}, Wait, "verified by 0 of 3", 0},
		{"wff", Share{Count: 2}, Fail, "2 of 3 HelmReleases failed, 2 have to verify it; HelmRelease apps/r2", 0},
		{"vff", Share{Count: 1}, Pass, "verified by 1 of 3", 1},
		{"vv", Share{Count: 3}, Wait, "3 HelmReleases have to verify it, and the stage has 2", 0},
		{"vf", Share{Count: 3}, Fail, "1 of 2 HelmReleases failed, 3 have to verify it", 0},
		{"vvvvw", Share{Percent: 80}, Pass, "verified by 4 of 5", 4},
		{"vvvww", Share{Percent: 80}, Wait, "3 of 5 HelmReleases, 4 have to", 0},
		{"vvvwf", Share{Percent: 80}, Wait, "3 of 5", 0},
		{"vvvff", Share{Percent: 80}, Fail, "2 of 5 HelmReleases failed, 4 have to", 0},
		{"vww", Share{Percent: 34}, Wait, "2 have to", 0},
		{"vww", Share{Percent: 33}, Pass, "1 have to", 1},
		{"w", Share{Percent: 1}, Wait, "1 have to", 0},
		{"vf", Share{Percent: 100}, Fail, "1 of 2 HelmReleases failed", 0},
	} {
		t.Run(fmt.Sprintf("%s of %s", tt.share, tt.fleet), func(t *testing.T) {
			t.Parallel()
			s := &Stage{Name: "prod", MinVerified: tt.share, Delivery: &Delivery{
				Candidate: Candidate{Version: "1.0.0", ID: chart("sha256:1")}, At: start,
			}}
			for i, letter := range tt.fleet {
				r := Release{Name: fmt.Sprintf("apps/r%d", i+1), Current: true, Message: "baking"}
				switch letter {
				case 'v':
					r.ID, r.At = chart("sha256:1"), start.Add(time.Duration(i+1)*time.Minute)
				case 'f':
					r.Bad = map[Identity]string{chart("sha256:1"): "it crashed"}
				}
				s.Releases = append(s.Releases, r)
			}
			v := s.verdict()
			if v.Result != tt.want || !strings.Contains(v.message, tt.says) {
				t.Errorf("got %s: %s; want %s, saying %q", v.Result, v.message, tt.want, tt.says)
			}
			if want := start.Add(time.Duration(tt.since) * time.Minute); tt.want == Pass && !v.at.Equal(want) {
				t.Errorf("verified since %s, want %s", v.at, want)
			}
		})
	}
}
