package plan

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// choice is one value of one fact.
type choice func(*Desired, *Observed)

func observing(change func(*Observed)) choice { return func(_ *Desired, o *Observed) { change(o) } }

func nothing(*Desired, *Observed) {}

// choices has the values of each fact that make a difference.
var choices = [][]choice{
	{nothing, func(d *Desired, _ *Observed) { d.DeletedAt = now.Add(-time.Minute) }, func(d *Desired, _ *Observed) {
		d.DeletedAt = now.Add(-time.Hour)
	}},
	{nothing, func(d *Desired, _ *Observed) { d.Leaves = true }},
	{nothing, func(d *Desired, _ *Observed) { d.Suspended = true }},
	{nothing, func(d *Desired, _ *Observed) { d.Asked = true }},
	{nothing, func(d *Desired, o *Observed) {
		d.Sync.Manual = true
		planned(0)(o)
	}, func(d *Desired, _ *Observed) { d.Sync.MinRisk = v1beta1.RiskNone }},
	{nothing, observing(running(Slow, 0))},
	{nothing, observing(func(o *Observed) { o.Inventory = 2 })},
	{
		nothing, observing(func(o *Observed) { o.Inputs = &Inputs{Digest: "d1"} }), observing(newInputs),
		observing(hinderedBy(Obstacle{Reason: v1beta1.SourceNotFoundReason, Message: "no source"})),
		observing(hinderedBy(Obstacle{Message: "waiting for the source", Fetching: true})),
	},
	{
		nothing, observing(notSeen), observing(func(o *Observed) { o.Objects = &Objects{Known: true} }), observing(differ),
		observing(sick), observing(hasUnseen),
	},
	{nothing, observing(func(o *Observed) { o.Released = released }), observing(func(o *Observed) {
		o.Truce = now
		o.Unconfirmed = "sha256:gone"
	})},
	{
		nothing, observing(func(o *Observed) { o.Takers = &Takers{} }),
		observing(func(o *Observed) { o.Takers = &Takers{Names: []string{"a", "b"}} }),
	},
	{
		nothing, observing(func(o *Observed) { o.Dependencies = &Dependencies{} }),
		observing(func(o *Observed) { o.Dependencies = &Dependencies{Obstacle: &Obstacle{Message: "infra"}} }),
	},
	{nothing, observing(func(o *Observed) { o.Identity = &Identity{} }), observing(missing("no account"))},
	{
		nothing, observing(func(o *Observed) { o.Namespace = &Namespace{} }),
		observing(func(o *Observed) { o.Namespace = &Namespace{Terminating: true} }),
	},
	{
		nothing, observing(func(o *Observed) { o.Attempt = tried(time.Hour, 0).Attempt }),
		observing(func(o *Observed) { o.Attempt = tried(0, 1).Attempt }), observing(departureFails(0)),
	},
}

var released = &v1beta1.ReleasedObjects{Objects: []v1beta1.ReleasedObject{
	{ID: "apps_a__ConfigMap", Since: metav1.NewTime(now.Add(-time.Minute))},
}}

// Every combination of facts gives a plan with a reason, the same each time, and a fact is asked for only while it is
// not known.
func TestDecideIsTotal(t *testing.T) {
	t.Parallel()
	steps := map[Step]int{}
	reasons := map[string]int{}
	var visit func(at int, d Desired, o Observed)
	visit = func(at int, d Desired, o Observed) {
		if t.Failed() {
			return
		}
		if at < len(choices) {
			for _, choose := range choices[at] {
				nextDesired, nextObserved := d, o
				choose(&nextDesired, &nextObserved)
				visit(at+1, nextDesired, nextObserved)
			}
			return
		}
		p := Decide(d, o, now)
		steps[p.Step]++
		reasons[p.Reason]++
		if fault := faultOf(o, p); fault != "" {
			t.Errorf("%s: %+v of %+v, %+v", fault, p, d, o)
		}
	}
	visit(0, wanted, Observed{})
	for _, step := range []Step{None, Wait, Need, Preview, Apply, Delete, Leave} {
		if steps[step] == 0 {
			t.Errorf("no combination leads to the step %s", step)
		}
	}
	if len(steps) != 7 {
		t.Errorf("steps that there are not: %v", steps)
	}
	total := steps[None] + steps[Wait] + steps[Need] + steps[Preview] + steps[Apply] + steps[Delete] + steps[Leave]
	if total < 1e5 {
		t.Errorf("only %d combinations: %v, %v", total, steps, reasons)
	}
}

// faultOf says what is wrong with a plan by itself; empty when nothing is.
func faultOf(o Observed, p Plan) string {
	switch {
	case p.Reason == "" || p.Message == "":
		return "no reason or no message"
	case p.After < 0:
		return "a look in the past"
	case (p.Step == Need) != (p.Fact != ""):
		return "a fact for another step than need"
	case p.Step == Need && isKnown(o, p.Fact):
		return "a fact that is known"
	case p.Settled && (o.Objects == nil || !o.Objects.Known):
		return "a report on objects that are not known"
	case p.Obstacle != nil && p.Step != Wait:
		return "an obstacle that nothing waits for"
	case (p.Repair || p.Approved != "") && p.Step != Apply, p.Repair && p.Approved != "":
		return "a repair or an approval of another step"
	default:
		return ""
	}
}

// isKnown reports whether a fact was looked up. One that there is not counts as known.
func isKnown(o Observed, f Fact) bool {
	switch f {
	case FactInputs:
		return o.Inputs != nil
	case FactObjects:
		return o.Objects != nil
	case FactTakers:
		return o.Takers != nil
	case FactDependencies:
		return o.Dependencies != nil
	case FactApprovals:
		return o.Approvals != nil
	case FactIdentity:
		return o.Identity != nil
	case FactNamespace:
		return o.Namespace != nil
	default:
		return true
	}
}

// The facts of a new and of a deleted Kustomization are asked for one after the other, the expensive ones last.
func TestFactsAreAskedForInOrder(t *testing.T) {
	t.Parallel()
	answer := map[Fact]func(*Observed){
		FactInputs:       func(o *Observed) { o.Inputs = &Inputs{Digest: "d1"} },
		FactObjects:      func(o *Observed) { o.Objects = &Objects{Known: true} },
		FactTakers:       func(o *Observed) { o.Takers = &Takers{} },
		FactDependencies: func(o *Observed) { o.Dependencies = &Dependencies{} },
		FactIdentity:     missing("no account"),
		FactNamespace:    func(o *Observed) { o.Namespace = &Namespace{} },
	}
	for _, tt := range []struct {
		name string
		d    Desired
		o    Observed
		want string
	}{
		{name: "new", d: wanted, want: "[inputs objects dependencies apply]"},
		{name: "applied", d: wanted, o: Observed{Attempt: tried(time.Hour, 0).Attempt}, want: "[inputs objects none]"},
		{
			name: "with released objects", d: wanted, o: Observed{Released: released},
			want: "[inputs objects takers dependencies apply]",
		},
		{name: "suspended", d: Desired{Suspended: true}, want: "[none]"},
		{
			name: "deleted, without an identity", d: deletedAgo(0), o: Observed{Inventory: 1},
			want: "[identity namespace wait]",
		},
		{
			name: "deleted", d: deletedAgo(0), o: Observed{Inventory: 1, Identity: &Identity{}},
			want: "[takers delete]",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for range len(answer) + 1 {
				p := Decide(tt.d, tt.o, now)
				if p.Step != Need {
					got = append(got, string(p.Step))
					break
				}
				got = append(got, string(p.Fact))
				answer[p.Fact](&tt.o)
			}
			if fmt.Sprint(got) != tt.want {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
}

func TestFactsAreReadFromTheObject(t *testing.T) {
	t.Parallel()
	k := following("apps", "web", "main@1", otherSource, remote)
	k.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "1"}
	k.Spec.Prune = true
	k.Spec.Wait = true
	d := DesiredOf(k, time.Hour)
	if !d.Asked || !d.Remote || !d.AwaitsHealth || d.Leaves || d.deleting() || d.Source != "GitRepository fleet/other" {
		t.Errorf("desired: %+v", d)
	}
	k.Status.LastHandledReconcileAt = "1"
	k.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	isDeleted(k)
	if d = DesiredOf(k, time.Hour); d.Asked || !d.Leaves || !d.deleting() {
		t.Errorf("desired of a deleted one: %+v", d)
	}
	failing(k)
	at := metav1.NewTime(now)
	k.Status.LastAttemptedAt = &at
	k.Status.LimitExceeded = &v1beta1.LimitExceeded{Digest: "d2"}
	k.Status.Kept = make([]v1beta1.KeptObject, 3)
	want := Attempt{Revision: "main@1", At: now, Stalled: true, Limit: "d2", Kept: 3}
	if a := AttemptOf(&k.Status); a != want {
		t.Errorf("attempt: %+v, want %+v", a, want)
	}
}
