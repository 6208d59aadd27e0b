package plan

import (
	"fmt"
	"testing"
	"time"
)

// variant is one of several values of a fact.
type variant struct {
	name string
	set  func(*Desired, *Observed)
}

// facts are what a decision depends on, each with the values that lead to different plans.
func idleFacts() [][]variant {
	return [][]variant{wishes(), histories(), attempts(), healths(), bakes(), audits()}
}

func wishes() []variant {
	want := func(change ...func(*Desired)) func(*Desired, *Observed) {
		return func(d *Desired, _ *Observed) {
			d.Upgrade = Policy{Default: true, Remediates: true, LastToo: true}
			d.Install = Policy{Default: true}
			d.Bake = 2 * time.Minute
			d.Corrects = true
			for _, c := range change {
				c(d)
			}
		}
	}
	return []variant{
		{"plain", want()},
		{"suspended", want(func(d *Desired) { d.Suspended = true })},
		{"deleting", want(deleting)},
		{"deleting, suspended", want(deleting, func(d *Desired) { d.Suspended = true })},
		{"deleting, orphaned", want(deleting, func(d *Desired) { d.Orphan = true })},
		{"another chart", want(func(d *Desired) { d.Chart = chart2 })},
		{"a chart of another name", want(func(d *Desired) { d.Chart.Name = "shop" })},
		{"pinned", want(func(d *Desired) { d.Pin = &Pin{Revision: 1} })},
		{"no rollback", want(func(d *Desired) { d.KeepFailed = true })},
		{"tested", want(func(d *Desired) { d.Tests.Enabled = true })},
		{"retries without undoing", want(func(d *Desired) {
			d.Upgrade = Policy{Pause: time.Minute}
			d.Install = d.Upgrade
		})},
		{"undone and given up", want(func(d *Desired) { d.Upgrade = Policy{Remediates: true, Retries: 1} })},
		{"no budget", want(func(d *Desired) { d.Budget = Budget{Count: 0, Per: time.Hour} })},
	}
}

func histories() []variant {
	has := func(records ...Record) func(*Desired, *Observed) {
		return func(_ *Desired, o *Observed) {
			o.History, o.Managed, o.Owner = &History{Records: records}, len(records) > 0, &Owner{}
			if len(records) > 0 {
				o.Recorded, o.RecordedDigest = records[0].Version, records[0].Digest
			}
		}
	}
	out := []variant{
		{"none", has()},
		{"a namesake", func(_ *Desired, o *Observed) {
			o.History = &History{Namesake: &Namesake{Namespace: "other", Owner: other}}
		}},
		{"of another", func(_ *Desired, o *Observed) {
			o.History, o.Owner = &History{Records: []Record{record(1, StatusDeployed, chart1, by(other))}}, &other
		}},
		{"moved", func(d *Desired, o *Observed) {
			has(record(1, StatusDeployed, chart1))(d, o)
			o.Moved = &Target{Name: "old", Namespace: "apps", StorageNamespace: "apps"}
		}},
		{"a failed upgrade of a good one", has(record(2, StatusFailed, chart1), record(1, StatusSuperseded, chart2))},
		{"a good upgrade", has(record(2, StatusDeployed, chart1), record(1, StatusSuperseded, chart2))},
		{"foreign", has(record(1, StatusDeployed, chart1, foreign))},
	}
	statuses := []string{
		StatusDeployed, StatusFailed, StatusUninstalled, StatusUninstalling,
		StatusPendingInstall, StatusPendingUpgrade, StatusPendingRollback,
	}
	for _, status := range statuses {
		out = append(out, variant{status, has(record(1, status, chart1))})
		lately := func(r *Record) { foreign(r); r.Modified = now.Add(-time.Second) }
		out = append(out, variant{status + " by another Helm client", has(record(1, status, chart1, lately))})
	}
	return out
}

func attempts() []variant {
	tried := func(a Attempt) func(*Desired, *Observed) {
		return func(d *Desired, o *Observed) {
			a.Generation, a.ChartDigest, a.ConfigDigest = d.Generation, d.Chart.Digest, d.ConfigDigest
			o.Attempt = a
		}
	}
	return []variant{
		{"none", func(*Desired, *Observed) {}},
		{"one failed upgrade", tried(Attempt{Action: Upgrade, Failures: 1, UpgradeFailures: 1, At: now})},
		{"many failed installs", tried(Attempt{Action: Install, Failures: 9, InstallFailures: 9, At: now})},
		{"nothing reached the cluster", tried(Attempt{Action: Upgrade, Failures: 3, At: now.Add(-29 * time.Second)})},
		{"a failed rollback", tried(Attempt{Action: Upgrade, Failures: 2, UpgradeFailures: 1, UndoFailed: true, At: now})},
		{"stalled", tried(Attempt{Action: Upgrade, Failures: 1, Stalled: true, At: now})},
	}
}

func healths() []variant {
	is := func(h Health) func(*Desired, *Observed) { return func(_ *Desired, o *Observed) { o.Health = h } }
	return []variant{
		{"unknown", is(Health{})},
		{"healthy", is(Health{Known: true, Healthy: true, Since: now})},
		{"unhealthy", is(Health{Known: true, Since: now, Message: "not ready"})},
		{"failed", is(Health{Known: true, Failed: true, Since: now, Message: "failed"})},
		{"failed, and not to blame", func(_ *Desired, o *Observed) {
			o.Health, o.NotAttributable = Health{Known: true, Failed: true, Since: now, Message: "failed"}, "others fail, too"
		}},
	}
}

func bakes() []variant {
	until := func(left time.Duration) func(*Desired, *Observed) {
		return func(_ *Desired, o *Observed) {
			if newest := o.History.Newest(); newest != nil {
				o.Bake = &Bake{Revision: newest.Version, Until: now.Add(left)}
			}
		}
	}
	return []variant{{"none", func(*Desired, *Observed) {}}, {"half", until(time.Minute)}, {"over", until(-time.Minute)}}
}

func audits() []variant {
	due := func(in time.Duration) func(*Desired, *Observed) {
		return func(_ *Desired, o *Observed) { o.AuditAt = now.Add(in) }
	}
	return []variant{{"never", func(*Desired, *Observed) {}}, {"due", due(-time.Minute)}, {"soon", due(10 * time.Minute)}}
}

// Whatever is known of a release, a plan that does nothing asks to be made again only when it would be another one by
// then, or after a pause that costs nothing. So no release is reconciled without a pause, for as long as nothing
// happens to it.
func TestNothingIsDecidedAgainForNothing(t *testing.T) {
	t.Parallel()
	var walk func(name string, set []func(*Desired, *Observed), facts [][]variant)
	states := 0
	walk = func(name string, set []func(*Desired, *Observed), facts [][]variant) {
		if len(facts) > 0 {
			for _, v := range facts[0] {
				walk(name+v.name+"; ", append(set[:len(set):len(set)], v.set), facts[1:])
			}
			return
		}
		states++
		d, o := desired(), Observed{}.Gathered()
		for _, s := range set {
			s(&d, &o)
		}
		if problem := restless(d, o); problem != "" {
			t.Errorf("%s%s", name, problem)
		}
	}
	walk("", nil, idleFacts())
	if states < 10_000 {
		t.Errorf("only %d states", states)
	}
}

// restless says how the plans of an hour in which nothing happens follow each other too soon; empty when they do not.
func restless(d Desired, o Observed) string {
	clock := now
	for wakes := 0; clock.Before(now.Add(time.Hour)); wakes++ {
		p := Decide(d, o, clock)
		if p.Acts() || p.Step == Need || p.Step == Recount {
			return "" // what it does or asks for makes another state
		}
		again := p.After
		if p.Audit != 0 && (again == 0 || p.Audit < again) {
			again = p.Audit
		}
		if again < 0 || wakes > int(time.Hour/reconsider) {
			return fmt.Sprintf("%s (%s) is decided again in %s, for the %dth time", p.Step, p.Reason, again, wakes)
		}
		if again == 0 {
			return ""
		}

		clock = clock.Add(again)
		next := Decide(d, o, clock)
		if again < reconsider && next.Step == p.Step && next.Reason == p.Reason && next.Stalled == p.Stalled {
			return fmt.Sprintf("%s (%s) is decided again in %s, when nothing has changed", p.Step, p.Reason, again)
		}
	}
	return ""
}
