package promotion

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/helmops/window"
	"fairlead.dev/fairlead/test/seed"
)

// gatekeeper knows what the gates of random histories have to keep, apart from the gates themselves.
type gatekeeper struct {
	*oracle
	// published is when a candidate was, first when a stage verified it first, as stage/identity.
	published map[Identity]time.Time
	first     map[string]time.Time
	// passed counts the promotions that a gate was asked about.
	passed map[string]int
}

// odd is a check that only candidates with an even minor version pass.
type odd struct{}

func (odd) Holds(variables map[string]any) (bool, error) {
	minor, ok := variables["candidate"].(map[string]any)["minor"].(uint64)
	if !ok {
		return false, fmt.Errorf("no minor version")
	}
	return minor%2 == 0, nil
}

func (odd) Timed() bool { return false }

// gatesOfSeed gives stages some of the gates, each one in four histories.
func gatesOfSeed(seed uint64) func(*Stage) {
	return func(s *Stage) {
		random := rand.New(rand.NewPCG(seed, 3))
		on := func() bool { return random.IntN(4) == 0 && s.Name == "prod" }
		g := &s.Gates
		if on() {
			g.Range = "<1.8.0-0"
		}
		g.NoPrereleases = on()
		if on() {
			g.Bump = BumpPatch
		}
		if on() {
			g.MinAge = 40 * time.Minute
		}
		if on() {
			g.Windows = []window.Window{{Cron: "0 */2 * * *", Duration: time.Hour}}
		}
		if on() {
			g.Windows = append(g.Windows, window.Window{Deny: true, Cron: "30 * * * *", Duration: 15 * time.Minute})
		}
		if on() {
			g.Approval = ApprovalGate{
				When: Always, Count: 1 + int(seed%2), Expires: 3 * time.Hour, Groups: []string{"owners"},
			}
		}
		if on() {
			g.Checks = []Check{{Name: "even", Predicate: odd{}}}
		}
		g.Signed = on()
		if on() {
			g.Soak = 30 * time.Minute
		}
		if seed%2 == 1 && s.Name == "staging" {
			s.Intake = IntakeSerial
		}
	}
}

// keep checks a promotion against what its gates want.
func (g *gatekeeper) keep(f Facts, d Decision) {
	if d.Step != StepPromote || d.Cause == CausePin || d.Request != nil {
		return
	}
	s, c := f.stage(d.Stage), *d.Candidate
	gates := s.Gates
	wants := func(name string, wanted, kept bool) {
		if wanted {
			g.passed[name]++
		}
		if wanted && !kept {
			g.violated("%s gets %s against %s", s.Name, c.Version, name)
		}
	}
	v := c.semver()
	wants(GateRange, gates.Range != "", v.Major() < 1 || v.Major() == 1 && v.Minor() < 8)
	wants(GatePrereleases, gates.NoPrereleases, !strings.Contains(c.Version, "-"))
	wants(GateMinAge, gates.MinAge > 0, !g.now.Before(g.published[c.ID].Add(gates.MinAge)))
	wants(GateSignature, gates.Signed, s.Signatures[c.ID.Chart].Result == Pass)
	wants(GateChecks, len(gates.Checks) > 0, v.Minor()%2 == 0)
	for _, w := range gates.Windows {
		if w.Deny {
			wants("deny", true, g.now.Minute() < 30 || g.now.Minute() >= 45)
		} else {
			wants(GateWindows, true, g.now.Hour()%2 == 0)
		}
	}
	approvals := g.approvals(s, c)
	wants(GateApproval, gates.Approval.When == Always, approvals >= max(1, gates.Approval.Count))
	if was := s.Delivery; was != nil && gates.Bump == BumpPatch {
		from := was.semver()
		larger := from.Major() != v.Major() || from.Minor() != v.Minor()
		wants(GateBump, larger, approvals >= max(1, gates.Approval.Count))
	}
	for _, from := range s.From {
		since, verified := g.first[from+"/"+c.ID.String()]
		wants(GateSoak, gates.Soak > 0, verified && !g.now.Before(since.Add(gates.Soak)))
	}
	for _, name := range []string{"dev", "staging", "prod"} {
		wants(GateRejected, true, !slices.ContainsFunc(f.stage(name).Approvals, func(a Approval) bool {
			return a.Reject && a.ID == c.ID && slices.Contains(a.Groups, "owners")
		}))
		if name == s.Name {
			break
		}
	}
	g.withdrawn(f, s, c)
}

// withdrawn wants the stages before to say now that they verified a candidate, as long as they have it.
func (g *gatekeeper) withdrawn(f Facts, s *Stage, c Candidate) {
	for _, name := range s.From {
		from := f.stage(name)
		if from.Delivery != nil && from.Delivery.ID == c.ID && from.Releases[0].ID != c.ID {
			g.violated("%s gets %s, which %s has and does not verify now", s.Name, c.Version, name)
		}
	}
}

// approvals counts the users who approve a candidate.
func (g *gatekeeper) approvals(s *Stage, c Candidate) int {
	users := map[string]bool{}
	for _, a := range s.Approvals {
		gate := s.Gates.Approval
		inGroup := len(gate.Groups) == 0 || slices.Contains(a.Groups, "owners")
		fresh := gate.Expires == 0 || g.now.Sub(a.At) < gate.Expires
		if !a.Reject && a.ID == c.ID && inGroup && fresh {
			users[a.User] = true
		}
	}
	return len(users)
}

// act does one random thing.
func (g *gatekeeper) act() {
	n := g.random.IntN
	prod := g.stage("prod")
	var c Candidate
	if len(g.facts.Candidates) > 0 {
		c = g.facts.Candidates[n(min(4, len(g.facts.Candidates)))]
	}
	switch n(6) {
	case 0:
		version := fmt.Sprintf("1.%d.%d", n(12), n(4))
		if n(4) == 0 {
			version += "-rc.1"
		}
		g.add(version)
		g.published[g.facts.Candidates[0].ID] = g.now
	case 1, 2:
		if d := g.stage("staging").Delivery; d != nil && n(2) == 0 {
			c = d.Candidate
		}
		prod.Approvals = append(prod.Approvals, Approval{
			User: []string{"alice", "bob"}[n(2)], Groups: [][]string{nil, {"owners"}, {"owners"}}[n(3)],
			ID: c.ID, At: g.now, Reject: n(12) == 0,
		})
		prod.Approvals = prod.Approvals[max(0, len(prod.Approvals)-6):]
	case 3:
		if prod.Signatures == nil || n(10) == 0 {
			prod.Signatures = map[string]Signature{}
		}
		prod.Signatures[c.ID.Chart] = Signature{
			Result: []Result{Pass, Pass, Wait, Fail}[n(4)], Again: g.now.Add(time.Hour),
		}
	default:
		g.oracle.act()
		for _, c := range g.facts.Candidates {
			if g.published[c.ID].IsZero() {
				g.published[c.ID] = c.FirstSeen
			}
		}
	}
}

// see remembers when stages verified candidates first.
func (g *gatekeeper) see() {
	for _, s := range g.facts.Stages {
		if s.Delivery == nil || s.Releases[0].ID != s.Delivery.ID {
			continue
		}
		key := s.Name + "/" + s.Delivery.ID.String()
		at := s.Releases[0].At
		if had, ok := g.first[key]; !ok || at.Before(had) {
			g.first[key] = at
		}
	}
}

// Random histories keep what the gates of a stage want.
func TestGateInvariants(t *testing.T) {
	t.Parallel()
	passed := map[string]int{}
	for _, seed := range seed.Numbers(t, 600) {
		w := newWorld(t, line(gatesOfSeed(seed))...)
		g := &gatekeeper{
			oracle: &oracle{
				world: w, random: rand.New(rand.NewPCG(seed, 2)),
				verified: map[string]bool{}, published: map[Identity]string{}, values: seed%3 == 2,
				counts: map[string]int{}, minor: 3,
				records: map[string][]Record{}, answered: map[string]bool{},
			},
			published: map[Identity]time.Time{}, first: map[string]time.Time{}, passed: passed,
		}
		w.check = func(f Facts, d Decision) {
			g.note()
			g.see()
			g.look(f, d)
			g.keep(f, d)
		}
		w.done = g.audit
		for range 60 {
			g.act()
			w.pass()
			if g.broken != nil {
				t.Fatalf("seed %d: %v\n%s", seed, g.broken, tail(w.log.String()))
			}
		}
	}
	for _, name := range []string{GateRange, GatePrereleases, GateMinAge, GateSignature, GateChecks, GateWindows, "deny",
		GateApproval, GateBump, GateSoak, GateRejected} {
		if passed[name] < 8 && !seed.Replays(t) {
			t.Errorf("%s was asked about %d promotions only: %v", name, passed[name], passed)
		}
	}
}
