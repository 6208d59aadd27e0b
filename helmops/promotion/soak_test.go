package promotion

import (
	"testing"
	"time"
)

// The soak time begins again after a break, whether the releases withdraw what they said or another candidate comes.
func TestBrokenSoak(t *testing.T) {
	t.Parallel()
	soaks := func(d time.Duration) []Stage {
		return line(func(s *Stage) {
			if s.Name == "prod" {
				s.Gates.Soak = d
			}
		})
	}
	w := newWorld(t, soaks(40*time.Minute)...)
	w.publish("1.0.0")
	w.run(24 * time.Minute) // staging verified it at 9:04
	r := &w.stage("staging").Releases[0]
	r.ID = Identity{}
	w.run(30 * time.Minute)
	r.ID, r.At = chart(digestOf("1.0.0")), w.now
	w.run(39 * time.Minute)
	if got := w.has(); got != "dev 1.0.0, staging 1.0.0, prod -" {
		t.Errorf("39 minutes after the break: %s", got)
	}
	w.run(2 * time.Minute)
	if got := w.has(); got != "dev 1.0.0, staging 1.0.0, prod 1.0.0" {
		t.Errorf("40 minutes after the break: %s", got)
	}

	replaced := newWorld(t, soaks(time.Hour)...)
	replaced.publish("1.0.0")
	replaced.run(24 * time.Minute)
	replaced.publish("1.1.0")
	replaced.run(50 * time.Minute) // an hour after 1.0.0 was verified, it is no longer there
	if got := replaced.has(); got != "dev 1.1.0, staging 1.1.0, prod -" {
		t.Errorf("an hour after the first: %s", got)
	}
}

// A check is not evaluated for a candidate that fails another gate: it costs more than all others.
func TestChecksAreSpared(t *testing.T) {
	t.Parallel()
	asked := 0
	w := newWorld(t, Stage{Name: "dev", Gates: Gates{
		Range: ">=2.0.0", Checks: []Check{{Name: "counted", Predicate: counting{&asked}}},
	}})
	w.publish("1.0.0")
	w.run(time.Minute)
	if asked != 0 {
		t.Errorf("it was asked %d times about a version that is not in the range", asked)
	}
	w.publish("2.0.0")
	w.run(time.Minute)
	if asked == 0 || w.has() != "dev 2.0.0" {
		t.Errorf("it was asked %d times, and %s", asked, w.has())
	}
}

// counting is a predicate that holds and counts how often it is asked.
type counting struct{ asked *int }

func (c counting) Holds(map[string]any) (bool, error) {
	*c.asked++
	return true, nil
}

func (counting) Timed() bool { return false }
