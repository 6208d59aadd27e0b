package tracker

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/health"
)

func TestLosingSightOfAKindIsTold(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, clock := newTracker(t, server)
	told := make(chan schema.GroupVersionKind, 16)
	tracker.SubscribeKinds(func(kind schema.GroupVersionKind) { told <- kind })
	use(t, tracker, "apps/web", deployments)
	if !tracker.Tracks(deployments.GVK) || tracker.Refused(deployments.GVK) {
		t.Fatal("the kind is not tracked")
	}
	for len(told) > 0 {
		<-told // the first list
	}
	s := tracker.stream(deployments.GVK)
	s.connecting()
	s.miss()
	if len(told) > 0 || !tracker.Tracks(deployments.GVK) {
		t.Fatal("a moment without a connection is told")
	}
	clock.pass(2 * time.Minute)
	s.miss()
	s.miss()
	if len(told) != 1 || <-told != deployments.GVK || tracker.Tracks(deployments.GVK) {
		t.Fatal("that the kind is not tracked any more is not told once")
	}
	s.connected()
	if len(told) != 1 || !tracker.Tracks(deployments.GVK) {
		t.Fatal("that the kind is tracked again is not told")
	}
	if !tracker.Refused(widgets.GVK) {
		t.Error("a kind that nobody uses cannot be seen")
	}
}

func TestChangesSayWhatWasBefore(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	changes := make(chan Change, 16)
	tracker.Subscribe(func(change Change) { changes <- change })
	use(t, tracker, "apps/web", deployments)
	server.put(deployments, managed(t, deployments, "web"))
	if c := <-changes; c.Before != nil || c.After == nil || c.After.Release != "web" || c.Ref != ref(deployments, "web") {
		t.Errorf("appeared: %+v", c)
	}
	server.drop(deployments, "apps", "web", false)
	if c := <-changes; c.After != nil || c.Before == nil || c.Before.Release != "web" {
		t.Errorf("went: %+v", c)
	}
}

// A watch that was cut and cannot go on where it was tells what differs, and nothing else.
func TestACompactedWatchTellsWhatDiffers(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.put(deployments, managed(t, deployments, "same"))
	server.put(deployments, managed(t, deployments, "gone"))
	tracker, _ := newTracker(t, server)
	use(t, tracker, "apps/web", deployments)
	changes := make(chan Change, 16)
	tracker.Subscribe(func(change Change) { changes <- change })
	server.drop(deployments, "apps", "gone", true)
	server.cut(true)
	if c := <-changes; c.Ref != ref(deployments, "gone") || c.After != nil {
		t.Errorf("told %+v", c)
	}
	server.put(deployments, managed(t, deployments, "new"))
	if c := <-changes; c.Ref != ref(deployments, "new") || c.Before != nil {
		t.Errorf("told %+v", c)
	}
}

func TestObjectsAreJudgedByTheRulesOfTheirRelease(t *testing.T) {
	t.Parallel()
	rules, err := health.NewRules([]v1beta1.HealthCheckExpr{{APIVersion: "example.com/v2", Kind: "Widget", Failed: "status.phase == 'Broken'", Current: "status.phase == 'Fine'"}})
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	tracker.Judge("apps", "web", rules)
	use(t, tracker, "apps/web", widgets)
	widget := managed(t, widgets, "web")
	for _, tt := range []struct {
		phase string
		want  health.State
	}{{"Broken", health.Failed}, {"Fine", health.Current}, {"Else", health.InProgress}} {
		widget.Object["status"] = map[string]any{"phase": tt.phase}
		server.put(widgets, widget)
		until(t, tracker, ref(widgets, "web"), "it is "+tt.phase, func(e Entry, ok bool) bool { return ok && e.Ready.State == tt.want && e.Complete.State == tt.want })
	}
	tracker.Judge("apps", "web", nil)
	widget.Object["status"] = map[string]any{"phase": "Broken"}
	server.put(widgets, widget)
	until(t, tracker, ref(widgets, "web"), "the usual rules hold again", func(e Entry, ok bool) bool { return ok && e.Ready.State == health.Current })
}
