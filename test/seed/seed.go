// Package seed gives random tests their seeds, so that a run that failed can be replayed: with FAIRLEAD_SEED set, a
// test runs with that seed alone.
package seed

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Variable is the environment variable with the seed of a replay.
const Variable = "FAIRLEAD_SEED"

// Of returns the seed of a test with one random run: that of the environment, else another one each time. A test that
// fails says how to replay it.
func Of(t *testing.T) uint64 {
	t.Helper()
	value, replays := given(t)
	if !replays {
		value = uint64(time.Now().UnixNano())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to replay: %s", Replay(t.Name(), strconv.FormatUint(value, 10)))
		}
	})
	return value
}

// Numbers returns the seeds of a test with many random runs: those below count, or that of the environment alone. The
// test says which seed has failed; how to replay it is printed after that.
func Numbers(t *testing.T, count uint64) []uint64 {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to replay one seed: %s", Replay(t.Name(), "SEED"))
		}
	})
	if value, replays := given(t); replays {
		return []uint64{value}
	}
	out := make([]uint64, count)
	for i := range out {
		out[i] = uint64(i)
	}
	return out
}

// Replays reports whether a seed of the environment is replayed: what a test wants of all its runs does not hold then.
func Replays(t *testing.T) bool {
	t.Helper()
	_, replays := given(t)
	return replays
}

// given is the seed of the environment.
func given(t *testing.T) (value uint64, is bool) {
	t.Helper()
	text, is := os.LookupEnv(Variable)
	if !is || text == "" {
		return 0, false
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %s", Variable, err)
	}
	return value, true
}

// Replay is the command that runs a test again with a seed, in the folder of its package.
func Replay(test, seed string) string {
	return Variable + "=" + seed + " go test -count=1 -run '^" + test + "$' ."
}
