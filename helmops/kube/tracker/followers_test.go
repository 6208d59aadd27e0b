package tracker

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// The labels of an object do not make it an owner's: an owner hears of the objects only that are in its inventory.
func TestOwnersHearOfWhatTheyHave(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tracker, clock := newTracker(t, s)
	owner := types.NamespacedName{Namespace: "apps", Name: "web"}
	moved := make(chan types.NamespacedName, 100)
	changed := make(chan Ref, 100)
	followers := NewFollowers(t.Context(), tracker, nil, func(of types.NamespacedName) { moved <- of }, clock.Now)
	tracker.Subscribe(func(c Change) { changed <- c.Ref })
	use(t, tracker, "test", configMaps)
	followers.mu.Lock()
	followers.followed["user"] = following{owner: owner}
	followers.users[ref(configMaps, "own")] = []string{"user"}
	followers.mu.Unlock()

	s.put(configMaps, managed(t, configMaps, "foreign"))
	if got := <-changed; got != ref(configMaps, "foreign") {
		t.Fatalf("%v changed", got)
	}
	s.put(configMaps, managed(t, configMaps, "own"))
	if got := <-moved; got != owner {
		t.Errorf("%s was woken", got)
	}
	if len(moved) > 0 {
		t.Error("the owner was woken for an object that it does not have")
	}
}
