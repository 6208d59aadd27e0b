package apply

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// remark sets an annotation of a ConfigMap in the cluster.
func (s *apiServer) remark(name, annotation, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	metadata, _ := s.objects[configMapPath(name)]["metadata"].(map[string]any)
	metadata["annotations"] = map[string]any{annotation: value}
}

// What is no longer wanted stays until exactly that is confirmed; what is wanted is written meanwhile.
func TestDeletionsWaitForAConfirmation(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	set := Set{
		Owner: planOwner, Prune: true, ConfirmPrune: true, Before: inventory, Objects: []Object{configMapOf(t, "three", "x")},
	}
	first := e.Apply(t.Context(), planAccess, set)
	waits := first.Unconfirmed
	if first.Err != nil || waits == nil || waits.Count != 2 || len(waits.Objects) != 2 || len(first.Deleted) > 0 {
		t.Fatalf("%+v", first)
	}
	if !s.has(configMapPath("one")) || !s.has(configMapPath("two")) || !s.has(configMapPath("three")) {
		t.Error("something was deleted without a confirmation, or what is wanted was not written")
	}
	if len(first.Inventory) != 3 {
		t.Errorf("the inventory %v lacks objects that wait", first.Inventory)
	}

	set.Before = first.Inventory
	set.Confirmed = "sha256:other"
	if again := e.Apply(t.Context(), planAccess, set); again.Unconfirmed == nil || again.Unconfirmed.Digest != waits.Digest {
		t.Errorf("the same objects have another digest, or another one confirms them: %+v", again.Unconfirmed)
	}

	s.edit("two", "by hand")
	set.Confirmed = waits.Digest
	last := e.Apply(t.Context(), planAccess, set)
	if last.Err != nil || last.Unconfirmed != nil || len(last.Deleted) != 2 || len(last.Inventory) != 1 {
		t.Errorf("%+v", last)
	}
	if s.has(configMapPath("one")) || s.has(configMapPath("two")) {
		t.Error("what was confirmed is still there")
	}
}

// A confirmation is for the objects that were named, and for no more.
func TestAConfirmationIsForItsObjects(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	set := Set{
		Owner: planOwner, Prune: true, ConfirmPrune: true, Before: inventory, Objects: []Object{configMapOf(t, "two", "x")},
	}
	one := e.Apply(t.Context(), planAccess, set).Unconfirmed
	set.Objects = nil
	set.AllowEmpty = true
	set.Confirmed = one.Digest
	both := e.Apply(t.Context(), planAccess, set)
	if both.Unconfirmed == nil || both.Unconfirmed.Count != 2 || both.Unconfirmed.Digest == one.Digest {
		t.Errorf("%+v", both)
	}
	if !s.has(configMapPath("one")) || !s.has(configMapPath("two")) {
		t.Error("a confirmation of other objects has deleted something")
	}
}

// An object can ask for a confirmation by itself. Others go meanwhile.
func TestAnObjectAsksForAConfirmation(t *testing.T) {
	t.Parallel()
	s, e, inventory := applied(t)
	s.remark("two", v1beta1.PruneAnnotation, v1beta1.ConfirmPrune)
	set := Set{Owner: planOwner, Prune: true, Before: inventory, Objects: []Object{configMapOf(t, "three", "x")}}
	result := e.Apply(t.Context(), planAccess, set)
	if result.Err != nil || result.Unconfirmed == nil || result.Unconfirmed.Count != 1 ||
		result.Unconfirmed.Objects[0].Name != "two" {
		t.Fatalf("%+v", result)
	}
	if s.has(configMapPath("one")) || !s.has(configMapPath("two")) {
		t.Error("an object that asks for nothing waits, or one that asks is gone")
	}

	set.Before = result.Inventory
	set.Confirmed = result.Unconfirmed.Digest
	if last := e.Apply(t.Context(), planAccess, set); last.Err != nil || s.has(configMapPath("two")) {
		t.Errorf("%+v", last)
	}
}
