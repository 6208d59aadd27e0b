package seed

import (
	"slices"
	"testing"
)

func TestASeedOfTheEnvironmentIsTheOnlyOne(t *testing.T) {
	t.Setenv(Variable, "18446744073709551615")
	if got := Of(t); got != 1<<64-1 {
		t.Errorf("the seed is %d", got)
	}
	if got := Numbers(t, 3); !slices.Equal(got, []uint64{1<<64 - 1}) || !Replays(t) {
		t.Errorf("the seeds are %v", got)
	}
}

func TestSeedsWithoutTheEnvironment(t *testing.T) {
	t.Setenv(Variable, "")
	if got := Numbers(t, 3); !slices.Equal(got, []uint64{0, 1, 2}) || Replays(t) {
		t.Errorf("the seeds are %v", got)
	}
	if Of(t) == 0 {
		t.Error("a random run always has the same seed")
	}
}

func TestTheReplayNamesTheTest(t *testing.T) {
	t.Parallel()
	want := "FAIRLEAD_SEED=7 go test -count=1 -run '^TestKilledAtAnyMoment$' ."
	if got := Replay("TestKilledAtAnyMoment", "7"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
