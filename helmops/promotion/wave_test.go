package promotion

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/seed"
)

var present, candidate = chart("sha256:present"), chart("sha256:candidate")

// fleet is a stage with releases named by their waves, as "0a 0b 1a". All have what was there before.
func fleet(waves []Wave, releases string) *Stage {
	s := &Stage{Name: "prod", Waves: waves, Delivery: &Delivery{
		Candidate: Candidate{Version: "1.1.0", ID: candidate}, Cause: CauseAuto,
	}}
	for name := range strings.FieldsSeq(releases) {
		s.Releases = append(s.Releases, Release{
			Name: name, Current: true, ID: present, Has: present, Wave: int(name[0] - '0'),
		})
	}
	return s
}

func (s *Stage) release(name string) *Release {
	i := slices.IndexFunc(s.Releases, func(r Release) bool { return r.Name == name })
	return &s.Releases[i]
}

// verifies has releases take the candidate and verify it.
func (s *Stage) verifies(names ...string) {
	for _, name := range names {
		s.release(name).Has, s.release(name).ID = candidate, candidate
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	waves := []Wave{{Name: "canary"}, {Name: "eu", Limit: 2}, {Name: "us", Limit: 50, Percent: true}}
	const all = "0a 1a 1b 1c 1d 2a 2b 2c 2d 2e 3a 3b"
	for _, tt := range []struct {
		name   string
		change func(*Stage)
		before Admission
		want   string
	}{
		{"the first wave", nil, Admission{}, "0 canary all"},
		{"the second, as many as its limit", func(s *Stage) { s.verifies("0a") }, Admission{}, "1 eu 1a 1b"},
		{"who was admitted stays so", func(s *Stage) { s.verifies("0a") },
			Admission{ID: candidate, Wave: 1, Admitted: []string{"1c", "1d"}}, "1 eu 1c 1d"},
		{"who was admitted to another candidate does not", func(s *Stage) { s.verifies("0a") },
			Admission{ID: present, Wave: 1, Admitted: []string{"1c", "1d"}}, "1 eu 1a 1b"},
		{"the next, when one has verified it", func(s *Stage) { s.verifies("0a", "1a") },
			Admission{ID: candidate, Wave: 1, Admitted: []string{"1a", "1b"}}, "1 eu 1b 1c"},
		{"one that has it counts", func(s *Stage) { s.verifies("0a"); s.release("1d").Has = candidate }, Admission{},
			"1 eu 1a 1d"},
		{"so does one that has nothing yet", func(s *Stage) { s.verifies("0a"); s.release("1d").Has = Identity{} },
			Admission{},
			"1 eu 1a 1d"},
		{"a suspended one is the last", func(s *Stage) { s.verifies("0a"); s.release("1a").Suspended = true },
			Admission{}, "1 eu 1b 1c"},
		{"half of the third", func(s *Stage) { s.verifies("0a", "1a", "1b", "1c", "1d") }, Admission{}, "2 us 2a 2b"},
		{"the releases of no wave are the last",
			func(s *Stage) { s.verifies(strings.Fields(all)[:10]...) }, Admission{}, "3  all"},
		{"one that failed closes the next wave", func(s *Stage) {
			s.verifies("0a", "1a", "1b", "1c")
			s.release("1d").Bad = map[Identity]string{candidate: "bad"}
		}, Admission{}, "1 eu 1d"},
		{"one that failed is passed over where some may fail", func(s *Stage) {
			s.verifies("0a", "1a", "1b", "1c")
			s.release("1d").Bad, s.MinVerified = map[Identity]string{candidate: "bad"}, Share{Percent: 80}
		}, Admission{}, "2 us 2a 2b"},
		{"all have verified it", func(s *Stage) { s.verifies(strings.Fields(all)...) }, Admission{}, "done"},
		{"an earlier wave that is not verified any more closes the later", func(s *Stage) {
			s.verifies("0a", "1a", "1b", "1c", "1d")
			s.release("0a").Current = false
		}, Admission{ID: candidate, Wave: 2, Admitted: []string{"2a", "2b"}}, "0 canary all"},
		{"a rollback is not limited", func(s *Stage) { s.Delivery.Cause = CauseRollback }, Admission{}, "done"},
		{"a candidate that was rejected is not admitted to more", func(s *Stage) {
			s.verifies("0a", "1a")
			s.Rejected = []Rejection{{candidate, "bad"}}
		}, Admission{ID: candidate, Wave: 1, Name: "eu", Admitted: []string{"1a", "1b"}}, "1 eu 1a 1b"},
		{"a stage without waves", func(s *Stage) { s.Waves = nil }, Admission{}, "none"},
		{"a stage that has nothing", func(s *Stage) { s.Delivery = nil }, Admission{}, "none"},
		{"a percentage of a small wave is one at least", func(s *Stage) {
			s.Waves = []Wave{{Name: "canary", Limit: 1, Percent: true}}
			s.Releases = append(s.Releases, Release{Name: "0b", Current: true, Has: present})
		}, Admission{}, "0 canary 0a"},
	} {
		s := fleet(waves, all)
		if tt.change != nil {
			tt.change(s)
		}
		if got := shown(s.Admit(tt.before)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func shown(a Admission) string {
	switch {
	case a.ID == Identity{}:
		return "none"
	case a.Done:
		return "done"
	case a.All:
		return fmt.Sprintf("%d %s all", a.Wave, a.Name)
	default:
		return fmt.Sprintf("%d %s %s", a.Wave, a.Name, strings.Join(a.Admitted, " "))
	}
}

func TestAdmits(t *testing.T) {
	t.Parallel()
	open := Admission{ID: candidate, Wave: 1, Admitted: []string{"apps/b"}}
	for _, tt := range []struct {
		name string
		a    Admission
		r    Release
		want bool
	}{
		{"nothing was decided yet", Admission{}, Release{}, false},
		{"it was decided about another candidate", Admission{ID: present, Done: true}, Release{}, false},
		{"an earlier wave", open, Release{Name: "apps/a"}, true},
		{"the open wave, admitted", open, Release{Name: "apps/b", Wave: 1}, true},
		{"the open wave, not admitted", open, Release{Name: "apps/c", Wave: 1}, false},
		{"a later wave", open, Release{Name: "apps/b", Wave: 2}, false},
		{"all of the open wave", Admission{ID: candidate, All: true}, Release{Name: "apps/c"}, true},
		{"all waves are done", Admission{ID: candidate, Done: true}, Release{Wave: 5}, true},
	} {
		if got := tt.a.Admits(candidate, tt.r); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// In random histories of a fleet, no wave has more releases on their way than its limit, no release takes the candidate
// before all earlier waves have verified it, and a candidate that is good gets everywhere.
func TestWavesKeepTheirLimits(t *testing.T) {
	t.Parallel()
	moves := 0
	for _, seed := range seed.Numbers(t, 300) {
		random := rand.New(rand.NewPCG(seed, 2))
		waves := make([]Wave, 1+random.IntN(3))
		for i := range waves {
			waves[i] = Wave{Name: fmt.Sprint(i), Limit: random.IntN(4), Percent: random.IntN(3) == 0}
			if waves[i].Percent {
				waves[i].Limit = random.IntN(101)
			}
		}
		var names []string
		for i := range 1 + random.IntN(20) {
			names = append(names, fmt.Sprintf("%d%c", random.IntN(len(waves)+1), 'a'+i))
		}
		s := fleet(waves, strings.Join(names, " "))
		a := Admission{}
		for step := 0; !s.allJudged(s.Releases); step++ {
			if step > 2000 {
				t.Fatalf("seed %d: the candidate does not get on: %s", seed, shown(a))
			}
			a = s.Admit(a)
			moves += take(t, s, a, seed)
			r := &s.Releases[random.IntN(len(s.Releases))]
			switch {
			case r.Has == candidate && random.IntN(6) == 0:
				r.Current = !r.Current // its values change, or were reconciled
			case r.Has == candidate && r.Current:
				r.ID = candidate
			case r.Has == candidate:
				r.Current = true
			}
		}
		if a = s.Admit(a); !a.Done {
			t.Fatalf("seed %d: all have verified it, and it is %s", seed, shown(a))
		}
	}
	if moves < 1000 && !seed.Replays(t) {
		t.Errorf("the histories have %d moves only", moves)
	}
}

// take has every release that is admitted take the candidate, and checks that it may.
func take(t *testing.T, s *Stage, a Admission, seed uint64) (moves int) {
	t.Helper()
	for i := range s.Releases {
		r := &s.Releases[i]
		if r.Has == candidate || !a.Admits(candidate, *r) {
			continue
		}
		for earlier := range r.Wave {
			if !s.allJudged(s.members(earlier)) {
				t.Fatalf("seed %d: %s takes the candidate before wave %d has verified it", seed, r.Name, earlier)
			}
		}
		r.Has = candidate
		moves++
		onTheWay := 0
		for _, other := range s.members(r.Wave) {
			if other.Has == candidate && !s.hasVerified(other) {
				onTheWay++
			}
		}
		if r.Wave < len(s.Waves) && onTheWay > s.Waves[r.Wave].of(len(s.members(r.Wave))) {
			t.Fatalf("seed %d: %d releases of wave %d are on their way", seed, onTheWay, r.Wave)
		}
	}
	return moves
}

func TestWaitsForWave(t *testing.T) {
	t.Parallel()
	byRegion := func(region string) v1beta1.StageWave {
		selector := metav1.LabelSelector{MatchLabels: map[string]string{"region": region}}
		return v1beta1.StageWave{Name: region, Selector: selector}
	}
	p := &v1beta1.ReleasePipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "shop"}}
	p.Spec.Stages = []v1beta1.PipelineStage{
		{Name: "dev"}, {Name: "prod", Waves: []v1beta1.StageWave{byRegion("eu"), byRegion("us")}},
	}
	p.Status.Stages = []v1beta1.StageStatus{{Name: "dev"}, {Name: "prod", Wave: &v1beta1.StageWaveStatus{
		Digest: candidate.Chart, Open: "us", Index: 1, Admitted: []string{"apps/shop-a"},
	}}}
	release := func(name, region string) *v1beta1.HelmRelease {
		return &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name,
			Labels: map[string]string{"region": region}}}
	}
	const waits = "waits for wave us of stage prod of ReleasePipeline apps/shop"
	for _, tt := range []struct {
		name, stage string
		id          Identity
		release     *v1beta1.HelmRelease
		want        string
	}{
		{"a stage without waves", "dev", candidate, release("shop-b", "us"), ""},
		{"an earlier wave", "prod", candidate, release("shop-b", "eu"), ""},
		{"the open wave, admitted", "prod", candidate, release("shop-a", "us"), ""},
		{"the open wave, not admitted", "prod", candidate, release("shop-b", "us"),
			waits + "; wave us is open for apps/shop-a"},
		{"no wave", "prod", candidate, release("shop-a", "ap"),
			"waits for the HelmReleases of no wave of stage prod of ReleasePipeline apps/shop; " +
				"wave us is open for apps/shop-a"},
		{"nothing was decided about the chart", "prod", present, release("shop-a", "us"), waits},
	} {
		if got := WaitsForWave(p, tt.stage, tt.id, tt.release); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
