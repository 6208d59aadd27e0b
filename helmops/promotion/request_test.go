package promotion

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// wish makes a random request for a stage.
func (o *oracle) wish(stage *Stage) {
	if len(o.facts.Candidates) == 0 {
		return
	}
	n := o.random.IntN
	o.requests++
	r := Request{
		Name: fmt.Sprintf("r-%d", o.requests), At: o.now, By: "alice", Cause: []string{CauseManual, CauseRollback}[n(2)],
		Digest: o.facts.Candidates[n(len(o.facts.Candidates))].ID.Chart,
	}
	for _, g := range gates {
		if n(3) == 0 {
			r.Bypass = append(r.Bypass, g.name)
		}
	}
	stage.Requests = append(stage.Requests, r)
}

// request checks what a decision says of the requests of a stage.
func (o *oracle) request(f Facts, s *Stage, d Decision) {
	promoted := 0
	for _, a := range d.Answers {
		o.counts["request"+a.Phase]++
		if o.answered[a.Name] {
			o.violated("%s: request %s has a final answer, and is answered again: %+v", s.Name, a.Name, a)
		}
		o.answered[a.Name] = a.Phase != RequestWaiting
		if a.Phase == RequestPromoted {
			promoted++
		}
	}
	if promoted > 1 || (promoted == 1) != (d.Request != nil) {
		o.violated("%s: %d requests are carried out by one decision: %+v", s.Name, promoted, d.Answers)
	}
	if d.Request == nil || d.Step != StepPromote {
		return
	}
	r, c := *d.Request, *d.Candidate
	if c.ID.Chart != r.Digest || r.ValuesDigest != "" && c.ID.Values != r.ValuesDigest || d.Cause != r.Cause {
		o.violated("%s gets %s (%s) by a request of %s (%s)", s.Name, c.ID, d.Cause, r.Text(), r.Cause)
	}
	for _, stage := range f.Stages { // each stage is before the next one
		if slices.ContainsFunc(stage.Refused, c.is) {
			o.violated("%s gets %s, which a user rejected in %s", s.Name, c.Version, stage.Name)
		}
		if stage.Name == s.Name {
			break
		}
	}
	if s.Pin != "" || f.Suspended {
		o.violated("%s is pinned or suspended, and gets %s by a request", s.Name, c.Version)
	}
	if r.Cause == CauseRollback {
		o.requestedRollback(s, d)
		return
	}
	o.requestedPromotion(f, s, d)
}

func (o *oracle) requestedRollback(s *Stage, d Decision) {
	if !o.verified[s.Name+"/"+d.Candidate.ID.String()] {
		o.violated("%s is rolled back to %s, which it never verified", s.Name, d.Candidate.Version)
	}
	if after := s.Apply(d, o.now); after.HeldBy == "" {
		o.violated("%s is rolled back to %s, and not held", s.Name, d.Candidate.Version)
	}
}

func (o *oracle) requestedPromotion(f Facts, s *Stage, d Decision) {
	c, bypasses := *d.Candidate, func(gate string) bool { return slices.Contains(d.Request.Bypass, gate) }
	for _, from := range s.From {
		if !o.verified[from+"/"+c.ID.String()] && !bypasses(GateUpstream) {
			o.violated("%s gets %s by a request, and %s never verified it", s.Name, c.Version, from)
		}
	}
	if s.recorded(c.ID) != "" && !bypasses(GateRejected) {
		o.violated("%s gets %s by a request, and rejected it", s.Name, c.Version)
	}
	if o.frozen(f) && !bypasses(GateFreeze) {
		o.violated("%s gets %s by a request during a freeze", s.Name, c.Version)
	}
	if s.Delivery != nil && c.lower(s.Delivery.Candidate) {
		if !s.Gates.Downgrade && !bypasses(GateDowngrade) {
			o.violated("%s goes down to %s by a request", s.Name, c.Version)
		}
		if after := s.Apply(d, o.now); after.HeldBy == "" {
			o.violated("%s goes down to %s by a request, and is not held", s.Name, c.Version)
		}
	}
	if s.Hold != "" {
		o.violated("%s gets %s by a request while it is held", s.Name, c.Version)
	}
	if _, baking := o.baking[s.Name]; baking && s.Delivery.Cause != CauseRollback &&
		s.rejection(s.Delivery.Candidate) == "" {
		o.violated("%s gets %s by a request before there is a verdict about %s", s.Name, c.Version, s.Delivery.Version)
	}
}

// askFor asks for a candidate, and says what becomes of it.
func (w *world) askFor(r Request) string {
	w.t.Helper()
	r.At = w.now
	w.facts.Stages[2].Requests = append(w.facts.Stages[2].Requests, r)
	for _, d := range Decide(w.facts, w.now) {
		for _, a := range d.Answers {
			if a.Name == r.Name {
				return a.Phase + ": " + a.Message
			}
		}
	}
	return "no answer"
}

func TestRequests(t *testing.T) {
	t.Parallel()
	to := func(version string, bypass ...string) Request {
		return Request{Name: "r", Cause: CauseManual, Version: version, Bypass: bypass, By: "alice", Reason: "INC-1"}
	}
	back := func(version string) Request {
		return Request{Name: "r", Cause: CauseRollback, Version: version, By: "alice"}
	}
	// prod has 1.1.0, and had 1.0.0; staging has 1.2.0, which prod gets after an hour; 1.3.0 is in no stage.
	prod := func(change ...func(*world)) *world {
		w := newWorld(t, line(func(s *Stage) {
			s.Deadline = 2 * time.Hour
			if s.Name == "prod" {
				s.Gates.Soak = time.Hour
			}
		})...)
		for _, version := range []string{"1.0.0", "1.1.0"} {
			w.publish(version)
			w.run(2 * time.Hour)
		}
		w.publish("1.2.0")
		w.run(10 * time.Minute)
		w.facts.Candidates = append(w.facts.Candidates, Candidate{Version: "1.3.0", ID: chart("sha256:1.3.0")})
		for _, c := range change {
			c(w)
		}
		return w
	}
	none := func(*world) {}
	at := func(change func(*Stage)) func(*world) { return func(w *world) { change(w.stage("prod")) } }
	crashed := func(version string) func(*Stage) {
		return func(s *Stage) { s.Rejected = []Rejection{{ID: chart(digestOf(version)), Reason: "it crashed"}} }
	}
	frozen := func(w *world) { w.facts.Freezes = []Freeze{{Name: "sale", Reason: "the sale"}} }
	for _, tt := range []struct {
		name   string
		change func(*world)
		ask    Request
		want   string
	}{
		{"it waits for the gates", none, to("1.2.0"), "Waiting: 1.2.0: soak: it has to stay verified in staging until"},
		{"it bypasses gates", none, to("1.2.0", GateSoak), "Promoted: requested by alice: INC-1"},
		{"it bypasses the stages before", none, to("1.3.0", GateSoak, GateUpstream), "Promoted: "},
		{"it waits for the stages before", none, to("1.3.0", GateSoak),
			"Waiting: 1.3.0: upstream: not verified in staging"},
		{"by digest", none, Request{Name: "r", Cause: CauseManual, Digest: "sha256:1.2.0", Bypass: []string{GateSoak}},
			"Promoted: requested by a user"},
		{"version and digest differ", none, Request{Name: "r", Cause: CauseManual, Version: "1.2.0", Digest: "sha256:x"},
			"Failed: the pipeline has no candidate 1.2.0 (x)"},
		{"nothing is named", none, Request{Name: "r", Cause: CauseManual}, "Failed: the pipeline has no candidate"},
		{"it waits for a freeze", frozen, to("1.2.0", GateSoak), "Waiting: 1.2.0: freeze: ReleaseFreeze sale: the sale"},
		{"it bypasses a freeze", frozen, to("1.2.0", GateSoak, GateFreeze), "Promoted: "},
		{"a gate fails", none, to("1.0.0", GateSoak), "Failed: 1.0.0: downgrade: lower than 1.1.0"},
		{"an unknown version", none, to("9.9.9"), "Failed: the pipeline has no candidate 9.9.9"},
		{"an unknown gate", none, to("1.2.0", "sok"), `Failed: spec.bypass names "sok", which is no gate`},
		{"signatures", none, to("1.2.0", "signature"), `Failed: spec.bypass names "signature", which is no gate that`},
		{"a cause of the controller", none, Request{Name: "r", Cause: CauseAuto, Version: "1.2.0"},
			"Failed: spec.cause of a requested Promotion is Manual or Rollback, not Auto"},
		{"a user rejects it", at(func(s *Stage) { s.Refused = []string{"1.2.0"} }), to("1.2.0", GateSoak, GateRejected),
			"Failed: a user rejected 1.2.0 in stage prod"},
		{"a user rejects it upstream", func(w *world) { w.stage("staging").Refused = []string{"1.2.0"} },
			to("1.2.0", GateSoak, GateUpstream), "Failed: a user rejected 1.2.0 in stage staging"},
		{"releases rejected it", at(crashed("1.2.0")),
			to("1.2.0", GateSoak), "Failed: 1.2.0: rejected: it crashed"},
		{"that is bypassed", at(crashed("1.2.0")),
			to("1.2.0", GateSoak, GateRejected), "Promoted: "},
		{"the stage is pinned", at(func(s *Stage) { s.Pin = "1.1.0" }), to("1.2.0", GateSoak),
			"Waiting: the stage is pinned to 1.1.0"},
		{"the stage is held by a user", at(func(s *Stage) { s.Hold = "migration" }), to("1.2.0", GateSoak),
			"Waiting: held: migration"},
		{"the stage is held by a failure", at(func(s *Stage) { s.HeldBy = "1.1.5 failed" }), to("1.2.0", GateSoak),
			"Promoted: "},
		{"what it has is judged", at(func(s *Stage) { s.Delivery.Verified, s.Releases[0].ID = false, Identity{} }),
			to("1.2.0", GateSoak), "Waiting: the HelmReleases have not verified 1.1.0 yet, which the stage has"},
		{"it is there", none, to("1.1.0"), "Promoted: the stage has it already, requested by alice: INC-1"},
		{"a rollback", none, back("1.0.0"), "Promoted: requested by alice"},
		{"a rollback in a freeze", frozen, back("1.0.0"), "Promoted: "},
		{"a rollback of a stage that is held", at(func(s *Stage) { s.Hold = "migration" }), back("1.0.0"), "Promoted: "},
		{"a rollback while it is judged", at(func(s *Stage) { s.Delivery.Verified, s.Releases[0].ID = false, Identity{} }),
			back("1.0.0"), "Promoted: "},
		{"a rollback to what never was there", none, back("1.2.0"), "Failed: stage prod never verified 1.2.0"},
		{"a rollback to what a user rejects", at(func(s *Stage) { s.Refused = []string{"1.0.0"} }), back("1.0.0"),
			"Failed: a user rejected 1.0.0 in stage prod"},
		{"a rollback to what failed", at(crashed("1.0.0")),
			back("1.0.0"), "Failed: stage prod rejected 1.0.0: it crashed"},
		{"a rollback of a pinned stage", at(func(s *Stage) { s.Pin = "1.1.0" }), back("1.0.0"),
			"Waiting: the stage is pinned to 1.1.0"},
		{"a suspended pipeline", func(w *world) { w.facts.Suspended = true }, to("1.2.0"), "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := prod(tt.change).askFor(tt.ask); !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// A request that only waits fails at the deadline, and is superseded by a newer one, unless that fails.
func TestRequestsThatWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, line(func(s *Stage) { s.Deadline = time.Hour })...)
	w.publish("1.0.0")
	w.run(time.Hour)
	w.stage("prod").Hold = "migration"
	w.publish("1.1.0")
	w.run(time.Hour)
	prod := w.stage("prod")
	ask := func(name, version string, ago time.Duration) Request {
		return Request{Name: name, Cause: CauseManual, Version: version, At: w.now.Add(-ago)}
	}
	prod.Requests = []Request{
		ask("older", "1.1.0", 30*time.Minute), ask("waits", "1.1.0", 20*time.Minute),
		ask("wrong", "9.9.9", 10*time.Minute), ask("late", "1.1.0", time.Hour),
	}
	d := Decide(w.facts, w.now)[2]
	var got []string
	for _, a := range d.Answers {
		got = append(got, a.Name+" "+a.Phase)
	}
	want := "wrong Failed, waits Waiting, older Superseded, late Failed"
	if strings.Join(got, ", ") != want {
		t.Errorf("the answers are %q, want %q", got, want)
	}
	if !d.Next.Equal(w.now.Add(40 * time.Minute)) {
		t.Errorf("it is decided again at %s, and not at the deadline of the request", d.Next)
	}
	after := prod.Apply(d, w.now)
	if len(after.Requests) != 1 || after.Requests[0].Name != "waits" {
		t.Errorf("the requests are %+v", after.Requests)
	}
}

// Of two requests of one second, the one that was answered before is the older one.
func TestRequestsOfOneSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t, line()...)
	w.publish("1.0.0")
	seen := Request{Name: "z", Cause: CauseManual, Version: "1.0.0", At: w.now, Seen: true}
	w.stage("prod").Requests = []Request{seen, {Name: "a", Cause: CauseManual, Version: "1.0.0", At: w.now}}
	answers := Decide(w.facts, w.now)[2].Answers
	if answers[0].Name != "a" || answers[0].Phase != RequestWaiting || answers[1].Phase != RequestSuperseded {
		t.Errorf("the answers are %+v", answers)
	}
}

// A rollback holds the stage until it is resumed, or until a user promotes something newer.
func TestARequestedRollbackHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, line()...)
	for _, version := range []string{"1.0.0", "1.1.0"} {
		w.publish(version)
		w.run(time.Hour)
	}
	prod := w.stage("prod")
	ask := func(cause, version string) {
		r := Request{Name: version, Cause: cause, Version: version, By: "alice", At: w.now}
		prod.Requests = append(prod.Requests, r)
		w.run(time.Hour)
	}
	ask(CauseRollback, "1.0.0")
	w.publish("1.2.0")
	w.run(time.Hour)
	if has := w.has(); has != "dev 1.2.0, staging 1.2.0, prod 1.0.0" || !prod.Delivery.Verified {
		t.Errorf("after the rollback: %s\n%s", has, w.log.String())
	}
	ask(CauseManual, "1.0.0")
	if prod.HeldBy == "" {
		t.Errorf("a promotion of what the stage has ends the hold\n%s", w.log.String())
	}
	ask(CauseManual, "1.1.0")
	if has := w.has(); has != "dev 1.2.0, staging 1.2.0, prod 1.2.0" || prod.HeldBy != "" {
		t.Errorf("after a promotion: %s\n%s", has, w.log.String())
	}
}
