package release

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

var neighbour = plan.Owner{Namespace: "team", Name: "shop", UID: "2"}

func ownedBy(owner plan.Owner, records []plan.Record) []plan.Record {
	for i := range records {
		records[i].Owner = owner
	}
	return records
}

// lives answers who else owns a release, and notes what was asked.
func lives(owner plan.Owner, asked *[]plan.Owner) func(context.Context, *v1beta1.HelmRelease, plan.Target, plan.Owner) (plan.Owner, error) {
	return func(_ context.Context, _ *v1beta1.HelmRelease, _ plan.Target, recorded plan.Owner) (plan.Owner, error) {
		*asked = append(*asked, recorded)
		return owner, nil
	}
}

func TestTheReleaseOfAnotherIsNotLookedAt(t *testing.T) {
	t.Parallel()
	var asked []plan.Owner
	e := &engineFake{records: map[plan.Target][]plan.Record{target: ownedBy(neighbour, deployed("sha256:other"))}}
	r := runner(e, nil)
	r.Owner = lives(neighbour, &asked)
	look := func() Live {
		t.Error("its objects are looked at")
		return Live{}
	}
	p, err := decideLooking(t.Context(), r, helmRelease(madeAs(target)), inputs, look)
	if err != nil || p.Step != plan.Wait || !p.Stalled || p.Reason != v1beta1.OwnedByOtherReason {
		t.Errorf("%s, %s (error %v)", p.Step, p.Reason, err)
	}
	if diff := cmp.Diff([]plan.Owner{neighbour}, asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
}

func TestItsOwnReleaseIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	var asked []plan.Owner
	e := &engineFake{records: map[plan.Target][]plan.Record{target: deployed(values.Digest(inputs.Values))}}
	r := runner(e, nil)
	r.Owner = lives(neighbour, &asked)
	looks := 0
	look := func() Live {
		looks++
		return Live{AuditAt: r.Now()}
	}
	p, err := decideLooking(t.Context(), r, helmRelease(madeAs(target)), inputs, look)
	if err != nil || p.Step != plan.Inspect || looks != 1 || p.Live.AuditAt.IsZero() || len(asked) > 0 {
		t.Errorf("%s after %d looks, live %+v, asked for the owner %d times (error %v)", p.Step, looks, p.Live, len(asked), err)
	}
}

// Which other release has its records in the same place is asked for a release that is not there, and for no other.
func TestANamesakeIsLookedFor(t *testing.T) {
	t.Parallel()
	uninstalled := deployed(values.Digest(inputs.Values))
	uninstalled[0].Status = plan.StatusUninstalled
	for name, test := range map[string]struct {
		records []plan.Record
		step    plan.Step
		asked   int
	}{
		"a release that is not there": {nil, plan.Wait, 1},
		"a release that is there":     {deployed(values.Digest(inputs.Values)), plan.None, 0},
		"one that was uninstalled":    {uninstalled, plan.Wait, 1},
	} {
		r := runner(&engineFake{records: map[plan.Target][]plan.Record{target: test.records}}, nil)
		asked := 0
		r.Namesake = func(_ context.Context, _ cluster.Access, of plan.Target) (*plan.Namesake, error) {
			asked++
			return &plan.Namesake{Namespace: "other than " + of.Namespace}, nil
		}
		p, err := decide(t.Context(), r, helmRelease(madeAs(target)), inputs)
		if err != nil || p.Step != test.step || asked != test.asked {
			t.Errorf("%s: %s (%s), asked %d times, error %v", name, p.Step, p.Reason, asked, err)
		}
	}
}

// A release that moved leaves the former one to its present owner, whether that one lives or not.
func TestAFormerReleaseOfAnotherIsLeft(t *testing.T) {
	t.Parallel()
	for _, living := range []plan.Owner{neighbour, {}} {
		var asked []plan.Owner
		e := &engineFake{records: map[plan.Target][]plan.Record{former: ownedBy(neighbour, deployed("sha256:other"))}}
		r := runner(e, nil)
		r.Owner = lives(living, &asked)
		p, err := decide(t.Context(), r, helmRelease(madeAs(former)), inputs)
		if err != nil || p.Step != plan.Install || p.Target != target {
			t.Errorf("%s of %v (error %v)", p.Step, p.Target, err)
		}
	}
}

// A release that the object moves to is not its own because the former one was.
func TestMovingToTheReleaseOfAnotherIsRefused(t *testing.T) {
	t.Parallel()
	var asked []plan.Owner
	e := &engineFake{records: map[plan.Target][]plan.Record{target: ownedBy(plan.Owner{}, deployed("sha256:other"))}}
	r := runner(e, nil)
	r.Owner = lives(neighbour, &asked)
	p, err := decide(t.Context(), r, helmRelease(madeAs(former)), inputs)
	if err != nil || p.Reason != v1beta1.OwnedByOtherReason || len(asked) != 1 {
		t.Errorf("%s, %s, asked for the owner %d times (error %v)", p.Step, p.Reason, len(asked), err)
	}
}

// Deleted and created again, an object continues with its release: no new revision, and its own name in the record.
func TestAnObjectThatWasCreatedAgainHasItsRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settle(0)
	w.hr = helmRelease(func(hr *v1beta1.HelmRelease) {
		hr.UID = "created again"
		hr.Spec = w.hr.Spec
	})
	w.runner.Owner = func(context.Context, *v1beta1.HelmRelease, plan.Target, plan.Owner) (plan.Owner, error) {
		t.Error("it is asked who else owns the release")
		return plan.Owner{}, nil
	}
	w.settle(0)
	if len(w.helm.records) != 1 || w.helm.records[0].Owner != ownerOf(w.hr) || !status.IsReady(w.hr) {
		t.Errorf("%+v, ready %v:\n%s", w.helm.records, status.IsReady(w.hr), w.log.String())
	}
}

// Whoever is refused says so, keeps nothing of the release in its status, and takes over once the owner is gone.
func TestTheNextTakesOverWhenTheOwnerIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, madeAs(target))
	w.hr.Status.Inventory = &v1beta1.ResourceInventory{}
	w.helm.owner = neighbour
	r := w.helm.add(plan.Record{Status: plan.StatusDeployed, Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: inputs.Chart.Digest},
		ConfigDigest: values.Digest(inputs.Values)})
	w.helm.touch(r)
	living := neighbour
	w.runner.Owner = func(context.Context, *v1beta1.HelmRelease, plan.Target, plan.Owner) (plan.Owner, error) {
		return living, nil
	}
	w.settle(0)
	stalled := meta.FindStatusCondition(w.hr.Status.Conditions, v1beta1.StalledCondition)
	if stalled == nil || stalled.Reason != v1beta1.OwnedByOtherReason || w.hr.Status.Latest() != nil || w.hr.Status.Inventory != nil {
		t.Fatalf("%+v", w.hr.Status)
	}
	if seen := PreviewOf(w.hr, w.in, w.helm.records, now).Next; seen.Reason != v1beta1.OwnedByOtherReason {
		t.Errorf("the command says %s, %s", seen.Step, seen.Reason)
	}
	living = plan.Owner{}
	w.settle(0)
	if w.helm.records[0].Owner != ownerOf(w.hr) || !status.IsReady(w.hr) || status.IsStalled(w.hr) {
		t.Errorf("%+v:\n%s", w.hr.Status, w.log.String())
	}
}
