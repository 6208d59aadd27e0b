package backoff

import (
	"math"
	"testing"
	"time"
)

func TestAfter(t *testing.T) {
	t.Parallel()
	p := Policy{First: 5 * time.Second, Last: 10 * time.Minute}
	for failures, want := range map[int64]time.Duration{
		math.MinInt64: 5 * time.Second, -1: 5 * time.Second, 0: 5 * time.Second, 1: 5 * time.Second,
		2: 10 * time.Second, 3: 20 * time.Second, 7: 320 * time.Second,
		8: 10 * time.Minute, 9: 10 * time.Minute, 63: 10 * time.Minute, 65: 10 * time.Minute, math.MaxInt64: 10 * time.Minute,
	} {
		if got := p.After(failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	if got := (Policy{First: time.Minute, Last: time.Second}).After(1); got != time.Second {
		t.Errorf("a first pause above the last one: %s", got)
	}
}

// It is the doubling that it says it is, for every number of failures.
func TestAfterDoubles(t *testing.T) {
	t.Parallel()
	p := Policy{First: 30 * time.Second, Last: time.Hour}
	want := p.First
	for failures := int64(1); failures < 100; failures++ {
		if got := p.After(failures); got != want {
			t.Fatalf("after %d failures: %s, want %s", failures, got, want)
		}
		want = min(2*want, p.Last)
	}
}
