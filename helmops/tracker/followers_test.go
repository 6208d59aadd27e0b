package tracker

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// The labels of an object do not make it somebody's: an owner hears of the objects only that it has.
func TestOwnersHearOfWhatTheyHave(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tracker, clock := newTracker(t, s)
	heard := make(chan Ref, 100)
	owner := types.NamespacedName{Namespace: "apps", Name: "web"}
	var asked []Ref
	moved := make(chan types.NamespacedName, 100)
	NewFollowers(t.Context(), tracker, nil, func(of types.NamespacedName) { moved <- of }, clock.Now,
		Having(func(of types.NamespacedName, ref Ref) bool {
			if of != owner {
				return false
			}
			heard <- ref
			return ref.Name != "foreign"
		}))
	use(t, tracker, "test", configMaps)
	s.put(configMaps, managed(t, configMaps, "foreign"))
	asked = append(asked, <-heard)
	s.put(configMaps, managed(t, configMaps, "own"))
	asked = append(asked, <-heard)
	if got := <-moved; got != owner {
		t.Errorf("%s was told", got)
	}
	if len(moved) > 0 {
		t.Error("the owner was told of an object that it does not have")
	}
	if asked[0] != ref(configMaps, "foreign") || asked[1] != ref(configMaps, "own") {
		t.Errorf("asked for %v", asked)
	}
}
