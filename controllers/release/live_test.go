package release

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
)

// scene is a watcher with one release that has a Deployment and a ConfigMap.
type scene struct {
	*watcher
	clock     time.Time
	hr        *v1beta1.HelmRelease
	seen      []engine.Observed
	unready   bool
	explained chan []v1beta1.ResourceRef
	hidden    chan engine.Hide
	woken     chan types.NamespacedName
	live      *lively
}

// lively are the live objects of a scene, and the HelmReleases that they are followed for.
type lively struct {
	*scene
	followed map[types.NamespacedName]bool
}

func (s *lively) Live(_ cluster.Access, owner types.NamespacedName, _ []v1beta1.ResourceRef, _ *health.Rules) ([]engine.Observed, bool) {
	s.followed[owner] = true
	return s.seen, !s.unready
}

func (s *lively) Forget(owner types.NamespacedName) { delete(s.followed, owner) }

func (s *lively) Explain(
	_ context.Context, _ cluster.Access, _ plan.Target, refs []v1beta1.ResourceRef, hide engine.Hide,
) []v1beta1.ObjectHealth {
	s.hidden <- hide
	s.explained <- refs
	return []v1beta1.ObjectHealth{{Kind: "Deployment", Group: "apps", Namespace: "apps", Name: "web", Message: "its image cannot be pulled"}}
}

const owned = "0000000000000007"

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), explained: make(chan []v1beta1.ResourceRef, 8), hidden: make(chan engine.Hide, 8), woken: make(chan types.NamespacedName, 8)}
	now := func() time.Time { return s.clock }
	wake := func(key types.NamespacedName) { s.woken <- key }
	s.live = &lively{scene: s, followed: map[types.NamespacedName]bool{}}
	s.watcher = newWatcher(s.live, loop.NewTasks[[]v1beta1.ObjectHealth](t.Context(), wake, now), now, half)
	s.hr = &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	s.hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	s.hr.Status.History = []v1beta1.Snapshot{{Name: "web", Namespace: "apps", Version: 1, Status: plan.StatusDeployed}}
	s.hr.Status.Inventory = &v1beta1.ResourceInventory{}
	for _, kind := range [][2]string{{"apps", "Deployment"}, {"", "ConfigMap"}} {
		ref := v1beta1.NewResourceRef("apps", "web", kind[0], kind[1], "v1")
		ref.Ownership = owned
		s.hr.Status.Inventory.Entries = append(s.hr.Status.Inventory.Entries, ref)
		s.seen = append(s.seen, engine.Observed{
			Ref: ref, Kind: kind[1], Group: kind[0], Namespace: "apps", Name: "web", Tracked: true, There: true,
			Entry: tracker.Entry{UID: "u", Generation: 1, Ownership: 7, Release: "web", ReleaseNamespace: "apps", Ready: health.Report{State: health.Current}},
		})
	}
	return s
}

func (s *scene) at(after time.Duration) (release.Live, []status.Event) {
	s.clock = s.clock.Add(after)
	live, _, events := s.look(s.hr, release.Inputs{})
	return live, events
}

// audits reports whether it is time for an audit.
func (s *scene) audits(live release.Live) bool {
	return !live.AuditAt.IsZero() && !s.clock.Before(live.AuditAt)
}

func (s *scene) condition(kind string) string {
	c := meta.FindStatusCondition(s.hr.Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

func TestAHealthyReleaseIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	live, _ := s.at(0)
	if !live.Health.Known || !live.Health.Healthy || len(live.Drifted) > 0 || s.audits(live) ||
		s.condition("Healthy") != "True Healthy" || s.condition("Drifted") != "False InSync" {
		t.Fatalf("%+v, %v", live, s.hr.Status.Conditions)
	}
	before := s.hr.DeepCopy()
	s.at(time.Minute)
	if !meta.IsStatusConditionTrue(before.Status.Conditions, "Healthy") || len(before.Status.Conditions) != len(s.hr.Status.Conditions) || before.Status.Conditions[0] != s.hr.Status.Conditions[0] {
		t.Error("a look that finds nothing new changes the status")
	}
	if !s.live.followed[client.ObjectKeyFromObject(s.hr)] {
		t.Error("its objects are not followed")
	}
	s.forget(types.NamespacedName{Namespace: "apps", Name: "web"})
	if len(s.live.followed) > 0 || len(s.releases) > 0 || len(s.states) > 0 {
		t.Error("something is left of a release that is gone")
	}
}

func TestAFlappingReleaseIsNotTold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.at(0)
	bad := health.Report{State: health.InProgress, Message: "Available: 0/1"}
	for range 5 {
		s.seen[0].Entry.Ready = bad
		if live, _ := s.at(time.Second); live.Health.Healthy || s.condition("Healthy") != "True Healthy" {
			t.Fatalf("%+v, %s", live.Health, s.condition("Healthy"))
		}
		s.seen[0].Entry.Ready = health.Report{State: health.Current}
		s.at(time.Second)
	}
	s.seen[0].Entry.Ready = bad
	s.at(time.Second)
	s.at(health.StabilizationWindow)
	if s.condition("Healthy") != "False Unhealthy" || len(s.hr.Status.Unhealthy) != 1 {
		t.Fatalf("%s, %+v", s.condition("Healthy"), s.hr.Status.Unhealthy)
	}
	if refs := <-s.explained; len(refs) != 1 || refs[0].ID != s.seen[0].Ref.ID {
		t.Errorf("the cause is looked for in %v", refs)
	}
	<-s.woken
	s.at(time.Second)
	if message := s.hr.Status.Unhealthy[0].Message; message != "its image cannot be pulled" || len(s.explained) > 0 {
		t.Errorf("%q, %d more looks", message, len(s.explained))
	}
	s.at(health.CausesEvery)
	<-s.explained // and again after a while
}

// What an object says itself can hold a secret, and is shown only once Explain has masked it.
func TestWordsOfObjectsAreNotShown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hr.Status.Bake = &v1beta1.Bake{}
	s.seen[0].Entry.Ready = health.Report{State: health.InProgress, Message: "condition Ready is False, reason Login", Quote: "hunter2 is wrong"}
	in := release.Inputs{Unmasked: true, Mask: redact.NewMask("hunter1")}
	for range 2 {
		s.clock = s.clock.Add(health.StabilizationWindow)
		live, _, events := s.look(s.hr, in)
		if shown := fmt.Sprintf("%+v %+v %+v", live, s.hr.Status, events); strings.Contains(shown, "hunter2") {
			t.Fatalf("a secret is shown: %s", shown)
		}
	}
	if message := s.hr.Status.Unhealthy[0].Message; message != "condition Ready is False, reason Login" {
		t.Errorf("the status says %q", message)
	}
	if _, running := s.examined.Running(client.ObjectKeyFromObject(s.hr)); running || len(s.explained) > 0 {
		t.Error("the causes are looked for without a mask")
	}
	in.Unmasked = false
	s.clock = s.clock.Add(health.CausesEvery)
	s.look(s.hr, in)
	<-s.explained
	if hide := <-s.hidden; hide(nil).Apply("hunter1") != "***" {
		t.Error("the causes are looked for with another mask")
	}
}

func TestWhatFailedForGoodIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.at(0)
	s.seen[0].Entry.Ready = health.Report{State: health.Failed, Message: "ProgressDeadlineExceeded"}
	if live, _ := s.at(0); !live.Health.Failed || s.condition("Healthy") != "False Unhealthy" {
		t.Errorf("%+v, %s", live.Health, s.condition("Healthy"))
	}
}

func TestBadHealthOfABakeSurvivesARestart(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	since := s.clock.Add(-20 * time.Second)
	s.hr.Status.Bake = &v1beta1.Bake{Revision: 1, Until: metav1.NewTime(s.clock.Add(time.Minute)), BadSince: &metav1.Time{Time: since}}
	s.seen[0].Entry.Ready = health.Report{State: health.InProgress}
	if live, _ := s.at(0); !live.Health.Since.Equal(since) {
		t.Errorf("bad since %s, want %s", live.Health.Since, since)
	}
	serving := newScene(t)
	serving.seen[0].Entry.Ready = health.Report{State: health.InProgress, Serving: true}
	if live, _ := serving.at(0); !live.Health.Healthy {
		t.Error("a workload that is only scaled counts as bad")
	}
}

func TestStatesOfDrift(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*engine.Observed)
		drifted bool
	}{
		"as it was":                      {func(*engine.Observed) {}, false},
		"somebody took a field":          {func(s *engine.Observed) { s.Entry.Ownership = 8 }, true},
		"it is gone":                     {func(s *engine.Observed) { s.There, s.Entry = false, tracker.Entry{} }, true},
		"it was gone before":             {func(s *engine.Observed) { s.There, s.Ref.Ownership = false, drift.Absent }, false},
		"another release has it":         {func(s *engine.Observed) { s.Entry.Release = "theirs" }, true},
		"it was never compared":          {func(s *engine.Observed) { s.Ref.Ownership = "" }, true},
		"it may differ":                  {func(s *engine.Observed) { s.Entry.Ownership, s.Entry.IgnoresDrift = 8, true }, false},
		"it is being deleted":            {func(s *engine.Observed) { s.Entry.Ownership, s.Entry.Deleting = 8, true }, false},
		"it is not watched":              {func(s *engine.Observed) { s.Tracked, s.Refused, s.Entry.Ownership = false, true, 8 }, false},
		"its API keeps no managedFields": {func(s *engine.Observed) { s.Ref.Ownership, s.Entry.Ownership = "0000000000000000", 0 }, true},
	} {
		s := newScene(t)
		tt.change(&s.seen[1])
		if live, _ := s.at(0); (len(live.Drifted) == 1) != tt.drifted {
			t.Errorf("%s: %v", name, live.Drifted)
		}
	}
}

func TestWhatWasLookedAtIsNotLookedAtAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hr.Spec.DriftDetection.Mode = v1beta1.DriftWarn
	s.seen[1].Entry.Ownership = 8
	live, _ := s.at(0)
	states := s.statesOf(s.hr, plan.Plan{Objects: live.Drifted})
	s.recordResult(s.hr, status.Outcome{Step: plan.Inspect}, states)
	if live, _ = s.at(time.Second); len(live.Drifted) > 0 {
		t.Errorf("it is looked at again: %v", live.Drifted)
	}
	s.seen[1].Entry.Generation = 2
	if live, _ = s.at(time.Second); len(live.Drifted) != 1 {
		t.Error("a further change is missed")
	}
	s.hr.Spec.DriftDetection.Mode = v1beta1.DriftDisabled
	if live, _ = s.at(time.Second); len(live.Drifted) > 0 || s.condition("Drifted") != "" {
		t.Errorf("drift is looked for although nobody wants it: %v, %s", live.Drifted, s.condition("Drifted"))
	}
}

func TestAFightIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for range 6 {
		s.seen[1].Entry.Ownership = 8
		live, _ := s.at(time.Second)
		if len(live.Drifted) != 1 {
			t.Fatalf("not corrected: %v", live.Drifted)
		}
		found := v1beta1.ObjectDrift{Kind: "ConfigMap", Namespace: "apps", Name: "web", Fields: []v1beta1.FieldDrift{{Path: ".data.a", Change: "changed", Manager: "rival"}}}
		s.recordResult(s.hr, status.Outcome{Step: plan.Correct, Drift: []v1beta1.ObjectDrift{found}}, s.statesOf(s.hr, plan.Plan{Objects: live.Drifted}))
		s.seen[1].Entry.Ownership = 7
		s.at(time.Second)
	}
	s.seen[1].Entry.Ownership = 8
	live, events := s.at(time.Second)
	if len(live.Drifted) > 0 || s.condition("Drifted") != "True DriftFight" || len(events) != 1 || !strings.Contains(events[0].Message, "rival") {
		t.Errorf("%v, %s, %+v", live.Drifted, s.condition("Drifted"), events)
	}
	if _, events = s.at(time.Second); len(events) > 0 {
		t.Error("the fight is told again")
	}
	if live, _ = s.at(11 * time.Minute); len(live.Drifted) != 1 {
		t.Error("it is left alone for ever")
	}
}

func TestTheAuditComesAfterAWhile(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hr.Spec.Interval = &metav1.Duration{Duration: time.Second}
	s.at(0)
	if live, _ := s.at(drift.MinAuditInterval / 2); s.audits(live) {
		t.Error("objects that are watched are audited too often")
	}
	if live, _ := s.at(drift.MinAuditInterval); !s.audits(live) {
		t.Error("there is no audit")
	}
	s.recordResult(s.hr, status.Outcome{Step: plan.Inspect, Reason: plan.ReasonAudit, Drift: []v1beta1.ObjectDrift{{Kind: "ConfigMap", Namespace: "apps", Name: "web", Missing: true}}}, nil)
	if live, _ := s.at(time.Second); s.audits(live) || len(live.Drifted) != 1 {
		t.Errorf("after the audit: %+v", live)
	}
}

// An audit that is due is started by the plan, or not at all: the watcher never asks for another look because of it.
// A suspended release would be looked at without a pause otherwise, and one whose newest revision failed.
func TestAnAuditThatIsDueAsksForNoLook(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.hr.Spec.Suspend = true
	s.hr.Status.History[0].Action = "install" // an adopted one is looked at when its drift may be corrected
	s.at(0)
	s.clock = s.clock.Add(4 * s.hr.GetInterval())
	if live, again, _ := s.look(s.hr, release.Inputs{}); again != 0 || !s.audits(live) {
		t.Errorf("it is looked at again in %s, the audit is at %s; it is %s", again, live.AuditAt, s.clock)
	}
}

func TestWithoutAViewNothingIsKnown(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.at(0)
	s.unready = true
	if live, _ := s.at(time.Second); live.Health.Known || s.condition("Healthy") != "True Healthy" {
		t.Errorf("a moment: %+v, %s", live, s.condition("Healthy"))
	}
	s.at(health.UnknownAfter)
	if s.condition("Healthy") != "Unknown Unknown" || s.condition("Drifted") != "Unknown DriftUnknown" {
		t.Errorf("a while: %s, %s", s.condition("Healthy"), s.condition("Drifted"))
	}
	s.unready = false
	s.at(time.Second)
	if s.condition("Healthy") != "True Healthy" || s.condition("Drifted") != "False InSync" {
		t.Errorf("afterwards: %s, %s", s.condition("Healthy"), s.condition("Drifted"))
	}
}

func TestManyReleasesThatFailAtOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
		hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Name: name}}
		hr.Status.LastFailure = &v1beta1.LastFailure{Class: v1beta1.FailureHealth, At: metav1.NewTime(s.clock)}
		s.recordState(hr)
		if got := s.widespread(); (got != "") != (i >= 4) {
			t.Errorf("%d failing: %q", i+1, got)
		}
	}
	s.clock = s.clock.Add(20 * time.Minute)
	for _, name := range []string{"a", "b"} {
		s.recordState(&v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	if got := s.widespread(); got != "" {
		t.Errorf("4 of 6 failing: %q", got)
	}
}

// half is a jitter in the middle of what it may be.
func half(d time.Duration, maxFactor float64) time.Duration {
	return d + time.Duration(float64(d)*maxFactor/2)
}
