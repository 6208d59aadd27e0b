package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	interval = time.Hour
	audit    = interval + time.Minute
)

var wanted = Desired{
	Generation: 1, Source: "GitRepository fleet/fleet", Interval: interval, Timeout: 5 * time.Minute, Audit: audit,
}

// tried is what is known after an attempt that ended so long ago. With failures it failed.
func tried(ago time.Duration, failures int64) Observed {
	o := ready()
	o.Attempt = Attempt{Digest: "d1", Revision: "main@1", At: now.Add(-ago), Failures: failures}
	if failures == 0 {
		o.Attempt.Applied = "d1"
	}
	return o
}

// ready has the facts that are looked up in each pass, and nothing to wait for.
func ready() Observed {
	return Observed{
		Inputs: &Inputs{Digest: "d1"}, Objects: &Objects{Known: true}, Dependencies: &Dependencies{},
		Inventory: 2, Audited: now,
	}
}

// with changes what is known.
func with(o Observed, changes ...func(*Observed)) Observed {
	for _, change := range changes {
		change(&o)
	}
	return o
}

func newInputs(o *Observed) { o.Inputs = &Inputs{Digest: "d2"} }
func notSeen(o *Observed)   { o.Objects = &Objects{} }
func isAwaited(o *Observed) { o.Awaited = true }
func isFreed(o *Observed)   { o.Freed = true }
func isStalled(o *Observed) { o.Attempt.Stalled = true }
func isLimited(o *Observed) { o.Attempt.Limit = "d1" }
func isDue(o *Observed)     { o.Audited = now.Add(-interval) }
func hasUnseen(o *Observed) { o.Objects = &Objects{Known: true, Unseen: 1} }
func hasKept(o *Observed)   { o.Attempt.Kept = 1 }
func isNews(o *Observed)    { o.News = true }
func differ(o *Observed) {
	o.Objects = &Objects{
		Known: true, Differs: []string{"ConfigMap a/1", "ConfigMap a/2", "ConfigMap a/3", "ConfigMap a/4"},
	}
}

func sick(o *Observed) {
	o.Objects = &Objects{Known: true, Awaited: []v1beta1.ObjectHealth{{Kind: "Deployment", Name: "web"}}}
}

// releasedAgo releases objects that a Kustomization may still take.
func releasedAgo(ago time.Duration, takers ...string) func(*Observed) {
	return func(o *Observed) {
		o.Released = &v1beta1.ReleasedObjects{Objects: []v1beta1.ReleasedObject{
			{ID: "apps_a__ConfigMap", Since: metav1.NewTime(now.Add(-ago))},
		}}
		o.Takers = &Takers{Names: takers}
	}
}

func truceUntil(at time.Time) func(*Observed) { return func(o *Observed) { o.Truce = at } }

func hinderedBy(by Obstacle) func(*Observed) {
	return func(o *Observed) { o.Inputs = &Inputs{Obstacle: &by} }
}

func running(elapsed time.Duration, generation int64) func(*Observed) {
	return func(o *Observed) { o.Running = &Running{Elapsed: elapsed, Generation: generation} }
}

type decideCase struct {
	name  string
	d     Desired
	o     Observed
	want  Plan
	words string // a part of the message
}

func (tt decideCase) run(t *testing.T) {
	t.Helper()
	t.Run(tt.name, func(t *testing.T) {
		t.Parallel()
		got := Decide(tt.d, tt.o, now)
		if !strings.Contains(got.Message, tt.words) {
			t.Errorf("message %q, want %q in it", got.Message, tt.words)
		}
		if (got.Obstacle == nil) != (tt.want.Obstacle == nil) {
			t.Errorf("obstacle %+v, want %+v", got.Obstacle, tt.want.Obstacle)
		}
		got.Message = ""
		got.Obstacle = nil
		tt.want.Obstacle = nil
		if got != tt.want {
			t.Errorf("got  %+v\nwant %+v", got, tt.want)
		}
	})
}

func apply(reason string) Plan { return Plan{Step: Apply, Reason: reason} }

func urgent(reason string) Plan { return Plan{Step: Apply, Reason: reason, Urgent: true} }

func rest(reason string, after time.Duration) Plan {
	return Plan{Step: None, Reason: reason, After: after, Settled: true}
}

func backOff(after time.Duration) Plan { return Plan{Step: Wait, Reason: ReasonBackOff, After: after} }

func asks(d Desired) Desired {
	d.Asked = true
	return d
}

func TestDecideAttempts(t *testing.T) {
	t.Parallel()
	never := ready()
	bound := Plan{Step: Wait, Reason: ReasonLimited, Limited: true}
	for _, tt := range []decideCase{
		{name: "never tried", d: wanted, o: never, want: apply(ReasonChanged), words: "changed"},
		{name: "a new revision", d: wanted, o: with(tried(time.Hour, 0), newInputs), want: apply(ReasonChanged)},
		{
			name: "a new revision while the last one failed just now", d: wanted, o: with(tried(0, 9), newInputs),
			want: apply(ReasonChanged),
		},
		{name: "asked for", d: asks(wanted), o: tried(0, 3), want: apply(ReasonAsked), words: "asked for"},
		{
			name: "failed just now", d: wanted, o: tried(2*time.Second, 1),
			want: backOff(3 * time.Second), words: "in 3s",
		},
		{name: "failed a while ago", d: wanted, o: tried(5*time.Second, 1), want: apply(ReasonFailed), words: "failed"},
		{name: "what it waited for has come", d: wanted, o: with(tried(0, 9), isAwaited), want: apply(ReasonFailed)},
		{
			name: "what was in its way is gone", d: wanted, o: with(tried(5*time.Second, 9), isFreed),
			want: apply(ReasonFailed),
		},
		{
			name: "it may not be the last", d: wanted, o: with(tried(2*time.Second, 9), isFreed),
			want: backOff(3 * time.Second),
		},
		{
			name: "can never succeed, by what is known", d: wanted, o: with(tried(time.Minute, 1), isStalled),
			want: backOff(59 * time.Minute), words: "59m0s",
		},
		{
			name: "is tried again all the same, once an interval", d: wanted, o: with(tried(time.Hour, 1), isStalled),
			want: apply(ReasonFailed),
		},
		{
			name: "exceeds a bound", d: wanted, o: with(tried(48*time.Hour, 1), isStalled, isLimited),
			want: bound, words: "bound",
		},
		{
			name: "exceeds a bound, after a restart while its source was not known yet", d: wanted,
			o: with(tried(time.Hour, 1), isLimited), want: bound,
		},
		{
			name: "exceeded a bound before something changed", d: wanted,
			o: with(tried(time.Second, 1), isLimited, newInputs), want: apply(ReasonChanged),
		},
		{
			name: "exceeds a bound, and was asked for", d: asks(wanted), o: with(tried(time.Second, 1), isLimited),
			want: apply(ReasonAsked),
		},
	} {
		tt.run(t)
	}
}

func TestDecideByObjects(t *testing.T) {
	t.Parallel()
	awaiting := wanted
	awaiting.AwaitsHealth = true
	remote := wanted
	remote.Remote = true
	overdue := rest(ReasonUnhealthy, audit)
	overdue.Overdue = true
	for _, tt := range []decideCase{
		{
			name: "objects not seen yet", d: wanted, o: with(tried(time.Hour, 0), notSeen),
			want: Plan{Step: None, Reason: ReasonUnobserved, After: audit}, words: "looked at",
		},
		{
			name: "objects not seen yet that have just been applied", d: awaiting,
			o:    with(tried(0, 0), notSeen, isNews),
			want: Plan{Step: None, Reason: ReasonUnobserved, After: audit, Progress: true}, words: "main@1 is applied",
		},
		{
			name: "objects not seen yet, and no health to wait for", d: wanted, o: with(tried(0, 0), notSeen, isNews),
			want: Plan{Step: None, Reason: ReasonUnobserved, After: audit},
		},
		{
			name: "objects differ", d: wanted, o: with(tried(time.Hour, 0), differ),
			want: urgent(ReasonDrifted), words: "and 1 more",
		},
		{
			name: "differing objects of an attempt that failed wait with it", d: wanted, o: with(tried(0, 1), differ),
			want: backOff(5 * time.Second), words: "failed",
		},
		{
			name: "an audit of what cannot be watched", d: wanted, o: with(tried(time.Hour, 0), hasUnseen, isDue),
			want: apply(ReasonAudit), words: "may not be watched",
		},
		{
			name: "an audit of what was kept", d: wanted, o: with(tried(time.Hour, 0), hasKept, isDue),
			want: apply(ReasonAudit),
		},
		{
			name: "no audit before the interval", d: wanted, o: with(tried(time.Hour, 0), hasUnseen),
			want: rest(ReasonApplied, audit),
		},
		{
			name: "an audit with everything in sight", d: wanted, o: with(tried(time.Hour, 0), isDue),
			want: rest(ReasonApplied, audit), words: "everything is applied",
		},
		{name: "on another cluster", d: remote, o: tried(time.Hour, 0), want: rest(ReasonApplied, remoteLook)},
		{
			name: "waiting for health", d: wanted, o: with(tried(time.Minute, 0), sick),
			want: rest(ReasonUnhealthy, 4*time.Minute), words: "not healthy",
		},
		{
			name: "waiting for health for too long", d: wanted, o: with(tried(time.Hour, 0), sick),
			want: overdue, words: "not healthy",
		},
		{
			name: "objects are kept for others", d: wanted,
			o:    with(tried(time.Hour, 0), releasedAgo(4*time.Minute, "a")),
			want: rest(ReasonApplied, time.Minute), words: "everything",
		},
		{
			name: "objects are kept for others for too long", d: wanted,
			o:    with(tried(time.Hour, 0), releasedAgo(5*time.Minute, "a")),
			want: apply(ReasonUnclaimed), words: "can be pruned",
		},
		{
			name: "no other Kustomization wants them any more", d: wanted, o: with(tried(time.Hour, 0), releasedAgo(0)),
			want: apply(ReasonUnclaimed), words: "can be pruned",
		},
		{
			name: "no other Kustomization wants them, after a failure", d: wanted, o: with(tried(0, 1), releasedAgo(0)),
			want: backOff(5 * time.Second), words: "failed",
		},
		{
			name: "a truce", d: wanted, o: with(tried(time.Hour, 0), truceUntil(now.Add(time.Minute))),
			want: rest(ReasonApplied, time.Minute), words: "everything",
		},
		{
			name: "a truce while waiting", d: wanted,
			o:    with(tried(time.Minute, 0), sick, truceUntil(now.Add(time.Minute))),
			want: rest(ReasonUnhealthy, time.Minute), words: "healthy",
		},
		{
			name: "the end of a truce", d: wanted, o: with(tried(time.Hour, 0), truceUntil(now)),
			want: urgent(ReasonFought), words: "again and again",
		},
	} {
		tt.run(t)
	}
}

func TestDecideWaits(t *testing.T) {
	t.Parallel()
	suspended := wanted
	suspended.Suspended = true
	some := &Obstacle{}
	isReady := func(o *Observed) { o.Ready = true }
	waits := Plan{Step: Wait, Reason: ReasonBlocked, After: audit, Obstacle: some}
	behind := with(ready(), func(o *Observed) { o.Dependencies = &Dependencies{Obstacle: &Obstacle{Message: "infra"}} })
	for _, tt := range []decideCase{
		{
			name: "suspended", d: suspended, o: Observed{},
			want: Plan{Step: None, Reason: ReasonSuspended}, words: "spec.suspend",
		},
		{
			name: "an attempt that has just begun", d: wanted, o: with(ready(), running(Slow/4, 1)),
			want: Plan{Step: Wait, Reason: ReasonUnderway, After: Slow * 3 / 4},
		},
		{
			name: "an attempt that takes long", d: wanted, o: with(ready(), running(Slow, 1)),
			want:  Plan{Step: Wait, Reason: ReasonUnderway, Progress: true},
			words: "applying the objects of GitRepository fleet/fleet",
		},
		{
			name: "an attempt of one that is Ready", d: wanted, o: with(ready(), running(Slow, 1), isReady),
			want: Plan{Step: Wait, Reason: ReasonUnderway},
		},
		{
			name: "an attempt for an older generation", d: wanted, o: with(ready(), running(Slow, 0), isReady),
			want: Plan{Step: Wait, Reason: ReasonUnderway, Outdated: true},
		},
		{
			name: "a source that is missing", d: wanted, o: with(ready(), hinderedBy(Obstacle{Message: "no source"})),
			want: waits, words: "no source",
		},
		{
			name: "an obstacle that is looked at sooner", d: wanted,
			o:    with(ready(), hinderedBy(Obstacle{After: time.Second})),
			want: Plan{Step: Wait, Reason: ReasonBlocked, After: time.Second, Obstacle: some},
		},
		{
			name: "a source that is being fetched", d: wanted, o: with(ready(), hinderedBy(Obstacle{Fetching: true})),
			want: Plan{Step: Wait, Reason: ReasonBlocked, Progress: true},
		},
		{
			name: "a source that is being fetched for one that is Ready", d: wanted,
			o:    with(ready(), hinderedBy(Obstacle{Fetching: true}), isReady),
			want: Plan{Step: Wait, Reason: ReasonBlocked},
		},
		{
			name: "an object that is being read", d: wanted,
			o:    with(ready(), hinderedBy(Obstacle{Reading: true, Took: Slow / 2})),
			want: Plan{Step: Wait, Reason: ReasonBlocked, After: Slow / 2},
		},
		{
			name: "an object that takes long to read", d: wanted,
			o:    with(ready(), hinderedBy(Obstacle{Reading: true, Took: Slow}), isReady),
			want: Plan{Step: Wait, Reason: ReasonBlocked, Progress: true},
		},
		{name: "a dependency that is not ready", d: wanted, o: behind, want: waits, words: "infra"},
		{
			name: "a dependency of what is applied", d: wanted,
			o:    with(tried(time.Hour, 0), func(o *Observed) { o.Dependencies = behind.Dependencies }),
			want: rest(ReasonApplied, audit),
		},
	} {
		tt.run(t)
	}
}

func TestRuleOrder(t *testing.T) {
	t.Parallel()
	order := []string{
		"underway", "left", "suspended", "identity", "stranded", "departure failed", "handed over", "deleted",
		"inputs", "blocked", "objects", "takers", "held", "asked", "cancelled", "changed", "limited", "failed", "unobserved", "unclaimed",
		"confirmed", "drifted", "audited", "fought", "unhealthy",
	}
	if len(order) != len(rules) {
		t.Fatalf("%d rules, %d expected", len(rules), len(order))
	}
	for i, want := range order {
		if !strings.HasPrefix(rules[i].name, want+":") {
			t.Errorf("rule %d is %q, want %q", i, rules[i].name, want)
		}
	}
}
