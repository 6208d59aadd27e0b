package promotion

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) // a Monday

// bake is how long a toy release takes to verify a chart, or to reject it.
const bake = 2 * time.Minute

// world is a pipeline with one toy HelmRelease in each stage.
type world struct {
	t     *testing.T
	now   time.Time
	facts Facts
	// broken says which charts fail in which stages, as stage/digest.
	broken map[string]bool
	// baking is when the release of a stage is done with what it got.
	baking map[string]time.Time
	log    strings.Builder
	last   map[string]string
	// check is called with every decision before it is applied; nil for none.
	check func(Facts, Decision)
	// done is called with every decision after it is applied; nil for none.
	done func(*Stage, Decision)
}

func newWorld(t *testing.T, stages ...Stage) *world {
	t.Helper()
	w := &world{
		t: t, now: start, facts: Facts{Stages: stages, Stamped: true},
		broken: map[string]bool{}, baking: map[string]time.Time{}, last: map[string]string{},
	}
	for i := range stages {
		s := &w.facts.Stages[i]
		s.Releases = []Release{{Name: s.Name + "/web", Current: true, Message: "it waits for a chart",
			Bad: map[Identity]string{}}}
	}
	return w
}

// line is a pipeline of dev, staging and prod.
func line(change ...func(*Stage)) []Stage {
	stages := []Stage{
		{Name: "dev"},
		{Name: "staging", From: []string{"dev"}},
		{Name: "prod", From: []string{"staging"}},
	}
	for i := range stages {
		for _, c := range change {
			c(&stages[i])
		}
	}
	return stages
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.log, "--- "+format+"\n", args...) }

func digestOf(version string) string { return "sha256:" + version }

func (w *world) publish(versions ...string) {
	for _, v := range versions {
		w.say("%s is published", v)
		w.facts.Candidates = append(w.facts.Candidates, Candidate{Version: v, ID: chart(digestOf(v)), FirstSeen: w.now})
	}
}

func (w *world) stage(name string) *Stage { return w.facts.stage(name) }

// pass decides once and does what was decided.
func (w *world) pass() (acted bool, next time.Time) {
	for i, d := range Decide(w.facts, w.now) {
		if d.Reason == "" || d.Message == "" || d.Phase == "" {
			w.t.Fatalf("a decision without a reason: %+v", d)
		}
		if w.check != nil {
			w.check(w.facts, d)
		}
		w.tell(d)
		w.facts.Stages[i] = w.facts.Stages[i].Apply(d, w.now)
		if d.Step == StepPromote || d.Back != nil {
			w.deliver(&w.facts.Stages[i])
		}
		if w.done != nil {
			w.done(&w.facts.Stages[i], d)
		}
		acted = acted || d.Step != StepNone
		next = earlier(next, d.Next)
	}
	return acted, next
}

// deliver has the release of a stage notice another chart.
func (w *world) deliver(s *Stage) {
	for i := range s.Releases {
		r := &s.Releases[i]
		r.ID, r.Message = Identity{}, "revision is baking"
		delete(r.Bad, s.Delivery.ID)
	}
	w.baking[s.Name] = w.now.Add(bake)
}

// tell writes what has changed to the log.
func (w *world) tell(d Decision) {
	text := fmt.Sprintf("%s %s", d.Step, d.Phase)
	if d.Candidate != nil {
		text += " " + d.Candidate.Version
	}
	if d.Back != nil {
		text += " back to " + d.Back.Version
	}
	if d.Cause != "" {
		text += " (" + d.Cause + ")"
	}
	text += ": " + d.Message
	if !d.Next.IsZero() {
		text += ", next " + d.Next.UTC().Format("Mon 15:04:05")
	}
	if w.last[d.Stage] != text {
		w.last[d.Stage] = text
		fmt.Fprintf(&w.log, "%s  %s: %s\n", w.now.Format("Mon 15:04:05"), d.Stage, text)
	}
}

// finish ends the bakes that are over.
func (w *world) finish() {
	for i := range w.facts.Stages {
		s := &w.facts.Stages[i]
		end, baking := w.baking[s.Name]
		if !baking || end.After(w.now) {
			continue
		}
		delete(w.baking, s.Name)
		for j := range s.Releases {
			r := &s.Releases[j]
			if w.broken[s.Name+"/"+s.Delivery.ID.String()] {
				r.Bad[s.Delivery.ID] = "it did not stay healthy"
				r.Message = "rolled back"
				continue
			}
			r.ID, r.At, r.Message = s.Delivery.ID, w.now, "verified"
		}
	}
}

// settle decides until nothing is left to do before a time, letting time pass.
func (w *world) settle(until time.Time) {
	w.t.Helper()
	for range 500 {
		acted, next := w.pass()
		if acted {
			continue
		}
		for _, end := range w.baking {
			next = earlier(next, end)
		}
		if next.IsZero() || next.After(until) {
			return
		}
		if !next.After(w.now) {
			w.t.Fatalf("the next look is at %s, and it is %s:\n%s", next, w.now, w.log.String())
		}
		w.now = next
		w.finish()
	}
	w.t.Fatalf("no end in 500 steps:\n%s", w.log.String())
}

func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	w.settle(end)
	w.now = end
	w.finish()
}

// has says which version each stage has.
func (w *world) has() string {
	var all []string
	for _, s := range w.facts.Stages {
		version := "-"
		if s.Delivery != nil {
			version = s.Delivery.Version
		}
		all = append(all, s.Name+" "+version)
	}
	return strings.Join(all, ", ")
}

func gateOf(answers []Gate, name string) Gate {
	i := slices.IndexFunc(answers, func(g Gate) bool { return g.Name == name })
	return answers[i]
}
