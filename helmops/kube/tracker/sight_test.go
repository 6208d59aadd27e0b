package tracker

import (
	"runtime"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/health"
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

// A watch that was cut and cannot continue from its resource version reports what differs, and nothing else.
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

func widgetRules(t *testing.T, failed string) *health.Rules {
	t.Helper()
	rules, err := health.NewRules(
		[]v1beta1.HealthCheckExpr{
			{APIVersion: "example.com/v2", Kind: "Widget", Failed: failed, Current: "status.phase == 'Fine'"},
		})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// mapperOf knows the kinds of the tests.
func mapperOf(kinds ...Kind) meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range kinds {
		plural := kind.GVK.GroupVersion().WithResource(kind.Resource)
		mapper.AddSpecific(kind.GVK, plural, plural, meta.RESTScopeNamespace)
	}
	return mapper
}

func TestObjectsAreJudgedByTheRulesOfTheirOwner(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	web := []Ref{ref(widgets, "web")}
	tracker.Judge("apps/web", web, widgetRules(t, "status.phase == 'Broken'"))
	use(t, tracker, "apps/web", widgets)
	widget := managed(t, widgets, "web")
	for _, tt := range []struct {
		phase string
		want  health.State
	}{{"Broken", health.Failed}, {"Fine", health.Current}, {"Else", health.InProgress}} {
		widget.Object["status"] = map[string]any{"phase": tt.phase}
		server.put(widgets, widget)
		until(t, tracker, ref(widgets, "web"), "it is "+tt.phase, func(e Entry, ok bool) bool {
			mine := e.For("apps/web")
			return ok && mine.Ready.State == tt.want && mine.Complete.State == tt.want &&
				e.For("other/web").Ready.State == health.Current
		})
	}
	tracker.Judge("apps/web", nil, nil)
	widget.Object["status"] = map[string]any{"phase": "Broken"}
	server.put(widgets, widget)
	until(t, tracker, ref(widgets, "web"), "the usual rules hold again", func(e Entry, ok bool) bool {
		return ok && e.For("apps/web").Ready.State == health.Current
	})
}

// Two users that have one object, or say so, judge it each by its own rules: neither sees the verdict of the other, and
// looking in turns asks the API server for nothing.
func TestRulesOfAnotherUserChangeNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	objects := []Ref{ref(widgets, "web")}
	widget := managed(t, widgets, "web")
	widget.Object["status"] = map[string]any{"phase": "Fine"}
	server.put(widgets, widget)
	use(t, tracker, "apps/web", widgets)
	strict := widgetRules(t, "status.phase == 'Fine'")
	mild := widgetRules(t, "status.phase == 'Broken'")

	tracker.Judge("apps/web", objects, mild)
	tracker.Judge("mallory/x", objects, strict)
	until(t, tracker, objects[0], "both have judged", func(e Entry, ok bool) bool {
		return ok && e.For("apps/web").Ready.State == health.Current && e.For("mallory/x").Ready.State == health.Failed
	})
	const asked = 2 // one request for each new set of rules
	for server.count("/widgets/web") < asked {
		runtime.Gosched()
	}
	for range 20 {
		tracker.Judge("apps/web", objects, mild)
		tracker.Judge("mallory/x", objects, strict)
	}
	if again := server.count("/widgets/web"); again != asked {
		t.Errorf("looking again costs %d requests", again-asked)
	}
	tracker.Judge("mallory/x", nil, nil)
	until(t, tracker, objects[0], "only one judges", func(e Entry, ok bool) bool {
		return ok && e.For("apps/web").Ready.State == health.Current && e.For("mallory/x").Ready.State == health.Current
	})
	if len(tracker.rules.of) != 1 || len(tracker.rules.by) != 1 {
		t.Errorf("rules are left of a user that has gone: %v, %v", tracker.rules.of, tracker.rules.by)
	}
}

func TestRulesAreForTheObjectsOfTheirUserOnly(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, _ := newTracker(t, server)
	tracker.Judge("apps/web", []Ref{ref(widgets, "mine")}, widgetRules(t, "status.phase == 'Fine'"))
	use(t, tracker, "apps/web", widgets)
	for _, name := range []string{"other", "mine"} {
		widget := managed(t, widgets, name)
		widget.Object["status"] = map[string]any{"phase": "Fine"}
		server.put(widgets, widget)
	}
	until(t, tracker, ref(widgets, "mine"), "it is judged", func(e Entry, ok bool) bool {
		return ok && e.For("apps/web").Ready.State == health.Failed
	})
	if e, ok := tracker.Get(ref(widgets, "other")); !ok || e.For("apps/web").Ready.State != health.Current {
		t.Errorf("an object of the same Helm release that is not in the inventory is judged: %+v, %v", e, ok)
	}
}

// Changes of an object wake every owner that has it, and no other, whichever owner its labels and annotations name.
func TestFollowersAreToldOfTheirObjects(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tracker, clock := newTracker(t, server)
	use(t, tracker, "before", widgets) // the first list wakes every subscriber
	told := make(chan types.NamespacedName, 64)
	followers := NewFollowers(t.Context(), tracker, mapperOf(widgets), func(owner types.NamespacedName) {
		told <- owner
	}, clock.Now)
	seen := make(chan Ref, 64) // followers have been notified of a change before it arrives here
	tracker.Subscribe(func(change Change) { seen <- change.Ref })
	victim := types.NamespacedName{Namespace: "apps", Name: "web"}
	thief := types.NamespacedName{Namespace: "mallory", Name: "x"}
	shared, other := ref(widgets, "web"), ref(widgets, "other")
	follow := func(owner types.NamespacedName, objects ...Ref) {
		if !followers.Follows(owner.String(), owner, objects, true) {
			t.Errorf("the objects of %s are not followed", owner)
		}
	}
	expect := func(when string, want ...types.NamespacedName) {
		t.Helper()
		got := map[types.NamespacedName]bool{}
		for len(got) < len(want) {
			got[<-told] = true
		}
		for _, owner := range want {
			if !got[owner] {
				t.Errorf("%s: told %v, want %v", when, got, want)
			}
		}
	}
	phase := func(name, release string) {
		widget := managed(t, widgets, name)
		widget.SetAnnotations(map[string]string{releaseAnnotation: release, releaseNamespaceAnnotation: "apps"})
		server.put(widgets, widget)
	}

	follow(victim, shared)
	phase("web", "web")
	expect("an object appears", victim)
	follow(thief, shared)
	phase("web", "something-else")
	expect("two have it", victim, thief)
	followers.Forget(thief.String())
	phase("web", "web")
	expect("one is forgotten", victim)
	phase("other", "web") // by its annotations it is an object of the victim's release
	for ref := range seen {
		if ref == other {
			break
		}
	}
	if len(told) > 0 {
		t.Errorf("%s is told of an object that it does not have", <-told)
	}
	follow(victim, shared, other)
	phase("other", "x")
	expect("the inventory has grown", victim)
	if len(told) > 0 {
		t.Errorf("told %v besides", <-told)
	}
	if len(followers.users) != 2 || len(followers.followed) != 1 {
		t.Errorf("kept %v, %v", followers.users, followers.followed)
	}
}
