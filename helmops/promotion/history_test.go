package promotion

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fairlead.dev/fairlead/test/seed"
)

// oracle knows what happened in a random history, apart from what the package remembers.
type oracle struct {
	*world
	random *rand.Rand
	// verified are the candidates that the release of a stage has verified, as stage/identity.
	verified map[string]bool
	// published are the candidates of the subject, with their versions.
	published map[Identity]string
	// values is set for a subject with shared values.
	values bool
	// deliveries of all kinds, to see that histories are worth something.
	counts map[string]int
	minor  int
	broken error
	// records are those of each stage, as the audit has them.
	records map[string][]Record
	// answered are the requests with a final answer.
	answered map[string]bool
	requests int
}

func (o *oracle) violated(format string, args ...any) {
	if o.broken == nil {
		o.broken = fmt.Errorf(format, args...)
	}
}

// look checks one decision against the invariants, before it is applied.
func (o *oracle) look(f Facts, d Decision) {
	s := f.stage(d.Stage)
	o.counts[d.Step+d.Cause]++
	for _, c := range []*Candidate{d.Candidate, d.Back} {
		if c != nil && o.published[c.ID] != c.Version {
			o.violated("%s: %s %s was never published", d.Stage, c.Version, c.ID)
		}
	}
	o.request(f, s, d)
	if d.Step == StepPromote && d.Request == nil {
		o.promotion(f, s, d)
	}
	o.rollback(s, f, d)
}

func (o *oracle) promotion(f Facts, s *Stage, d Decision) {
	c := *d.Candidate
	if d.Cause == CausePin {
		if !c.is(s.Pin) {
			o.violated("%s: %s is said to be pinned, the pin is %q", s.Name, c.Version, s.Pin)
		}
		if o.frozen(f) && !o.verified[s.Name+"/"+c.ID.String()] {
			o.violated("%s: %s is new here and pinned during a freeze", s.Name, c.Version)
		}
		return
	}
	for _, from := range s.From {
		if !o.verified[from+"/"+c.ID.String()] {
			o.violated("%s gets %s, which %s never verified", s.Name, c.Version, from)
		}
		if f.stage(from).rejection(c) != "" {
			o.violated("%s gets %s, which %s rejected", s.Name, c.Version, from)
		}
	}
	if s.rejection(c) != "" {
		o.violated("%s gets %s again, which it rejected", s.Name, c.Version)
	}
	if s.Delivery != nil && c.lower(s.Delivery.Candidate) && !s.Gates.Downgrade {
		o.violated("%s goes down from %s to %s because of %s", s.Name, s.Delivery.Version, c.Version, d.Cause)
	}
	if _, baking := o.baking[s.Name]; baking && s.Delivery.Cause != CauseRollback && s.Pin == "" &&
		s.rejection(s.Delivery.Candidate) == "" {
		o.violated("%s gets %s before there is a verdict about %s", s.Name, c.Version, s.Delivery.Version)
	}
	if o.frozen(f) {
		o.violated("%s gets %s during a freeze", s.Name, c.Version)
	}
	if s.Hold != "" {
		o.violated("%s gets %s while it is held", s.Name, c.Version)
	}
}

func (o *oracle) frozen(f Facts) bool {
	return slices.ContainsFunc(f.Freezes, func(z Freeze) bool {
		return !o.now.Before(z.From) && (z.Until.IsZero() || o.now.Before(z.Until))
	})
}

// rollback wants a bad candidate out of a stage, in spite of freezes, holds and windows.
func (o *oracle) rollback(s *Stage, f Facts, d Decision) {
	if s.Delivery == nil || f.Suspended || s.Delivery.Cause == CauseRollback {
		return
	}
	r := s.Releases[0]
	if r.Bad[s.Delivery.ID] == "" || r.ID == s.Delivery.ID {
		return
	}
	good := slices.ContainsFunc(s.Verified, func(v Verification) bool {
		return v.ID != s.Delivery.ID && s.rejection(v.Candidate) == ""
	})
	if good && (d.Step != StepReject || d.Back == nil) {
		o.violated("%s keeps %s, which is bad: %s (%s)", s.Name, s.Delivery.Version, d.Phase, d.Message)
	}
	if d.Back != nil && !o.verified[s.Name+"/"+d.Back.ID.String()] {
		o.violated("%s goes back to %s, which was never verified there", s.Name, d.Back.Version)
	}
}

// act does one random thing.
func (o *oracle) act() {
	n := o.random.IntN
	stage := &o.facts.Stages[n(len(o.facts.Stages))]
	switch n(15) {
	case 0, 1, 2:
		o.minor += n(3) - 1 // now and then a lower version, or the same one with other content
		o.minor = max(0, o.minor+n(2))
		o.add(fmt.Sprintf("1.%d.0", o.minor))
	case 3:
		stage.Pin = ""
		if len(o.facts.Candidates) > 0 && n(2) == 0 {
			stage.Pin = pinText(o.facts.Candidates[n(len(o.facts.Candidates))].ID)
		}
	case 4:
		stage.Hold = []string{"", "", "a reason"}[n(3)]
		stage.HeldBy = ""
	case 5:
		stage.Refused = nil
		if len(o.facts.Candidates) > 0 && n(3) == 0 {
			stage.Refused = []string{o.facts.Candidates[n(len(o.facts.Candidates))].Version}
		}
	case 6:
		o.facts.Freezes = nil
		if n(2) == 0 {
			o.facts.Freezes = []Freeze{{Name: "sale", From: o.now,
				Until: o.now.Add(time.Duration(n(180)) * time.Minute)}}
		}
	case 7:
		if d := stage.Delivery; d != nil && d.Verified && stage.Releases[0].ID == d.ID {
			stage.Releases[0].ID, stage.Releases[0].Bad[d.ID] = Identity{}, "it is degraded"
		}
	case 8:
		o.facts.Suspended = n(4) == 0
	case 9:
		o.lose(stage)
	case 10, 11:
		o.wish(stage)
	default:
		o.run(time.Duration(n(90)) * time.Minute)
	}
}

// pinText names a candidate in a pin: by its shared values, else by its chart.
func pinText(id Identity) string { return cmp.Or(id.Values, id.Chart) }

// add publishes a version. With shared values half of what comes is the newest chart with other values.
func (o *oracle) add(version string) {
	id := chart(fmt.Sprintf("sha256:%d", len(o.published)))
	if o.values {
		id.Values = fmt.Sprintf("sha256:values-%d", len(o.published))
		if len(o.facts.Candidates) > 0 && o.random.IntN(2) == 0 {
			newest := o.facts.Candidates[0]
			version, id.Chart = newest.Version, newest.ID.Chart
			o.counts["Values"]++
		}
	}
	o.published[id] = version
	for _, s := range o.facts.Stages {
		o.world.broken[s.Name+"/"+id.String()] = o.random.IntN(5) == 0
	}
	c := Candidate{Version: version, ID: id, FirstSeen: o.now}
	o.facts.Candidates = append([]Candidate{c}, o.facts.Candidates...)
	o.facts.Candidates = o.facts.Candidates[:min(20, len(o.facts.Candidates))]
}

// audit keeps the records of a stage as its Promotions are kept.
func (o *oracle) audit(s *Stage, d Decision) {
	all := o.records[s.Name]
	if d.Step == StepPromote || d.Back != nil {
		number := int64(1)
		if len(all) > 0 {
			number = all[len(all)-1].Number + 1
		}
		all = append(all, Record{Candidate: s.Delivery.Candidate, Number: number, Cause: d.Cause, At: o.now})
	}
	for i := range all {
		r := &all[i]
		r.Rejected = r.Cause != CauseRollback && s.recorded(r.ID) != ""
		current := i == len(all)-1
		r.Verified = !r.Rejected && (r.Verified || current && s.Delivery != nil && s.Delivery.Verified)
		if r.Ended.IsZero() && (r.Verified || r.Rejected) {
			r.Ended = o.now
		}
	}
	o.records[s.Name] = all[max(0, len(all)-10):]
}

// lose takes the status of a stage away, and rebuilds it from the source and the records.
func (o *oracle) lose(s *Stage) {
	remains := Remains{Records: o.records[s.Name]}
	if s.Delivery != nil {
		remains.Source = s.Delivery.Candidate
	}
	s.Delivery, s.Verified, s.Rejected, s.HeldBy = nil, nil, nil, ""
	rebuilt, number, ok := s.Rebuild(remains, o.now)
	if ok != (remains.Source.ID.Chart != "") || ok && number != remains.newest() {
		o.violated("%s: rebuilt %t with number %d of %d", s.Name, ok, number, remains.newest())
	}
	if ok && rebuilt.Delivery.ID != remains.Source.ID {
		o.violated("%s had %s, and has %s after its status was lost", s.Name, remains.Source.Version,
			rebuilt.Delivery.Version)
	}
	*s = rebuilt
	o.counts["Lost"]++
}

// note remembers what releases have verified.
func (o *oracle) note() {
	for _, s := range o.facts.Stages {
		if s.Delivery != nil && s.Releases[0].ID == s.Delivery.ID {
			o.verified[s.Name+"/"+s.Delivery.ID.String()] = true
		}
	}
}

// Random histories keep what a pipeline promises.
func TestInvariants(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, seed := range seed.Numbers(t, 400) {
		stages := line(func(s *Stage) {
			s.OnFailure = []string{Reject, Reject, Hold}[seed%3]
			s.Deadline = time.Duration(seed%2) * time.Hour
			s.Gates.Soak = time.Duration(seed%5) * 10 * time.Minute
			s.Gates.Downgrade = seed%7 == 0
			s.Copies = s.Name == "prod" && seed%2 == 1
		})
		w := newWorld(t, stages...)
		o := &oracle{
			world: w, random: rand.New(rand.NewPCG(seed, 1)),
			verified: map[string]bool{}, published: map[Identity]string{}, counts: counts, minor: 3,
			records:  map[string][]Record{},
			values:   seed%4 == 3,
			answered: map[string]bool{},
		}
		w.check = func(f Facts, d Decision) {
			o.note()
			o.look(f, d)
		}
		w.done = o.audit
		for range 80 {
			o.act()
			w.pass()
			if o.broken != nil {
				t.Fatalf("seed %d: %v\n%s", seed, o.broken, tail(w.log.String()))
			}
		}
	}
	for what, least := range map[string]int{
		StepPromote + CauseAuto: 500, StepPromote + CausePin: 500, StepReject + CauseRollback: 500, StepVerify: 500,
		"Lost":                    500,
		"Values":                  500,
		StepPromote + CauseManual: 100, StepPromote + CauseRollback: 50,
	} {
		if counts[what] < least && !seed.Replays(t) {
			t.Errorf("the histories have %d of %s only: %v", counts[what], what, counts)
		}
	}
}

func tail(text string) string { return text[max(0, len(text)-3000):] }
