package drift

import (
	"slices"
	"sync"
	"time"
)

const (
	// fightWindow is the time in which corrections of an object are counted, and how long a fight is left alone.
	fightWindow = 10 * time.Minute
	// maxCorrections within the window are no fight yet.
	maxCorrections = 5
	// maxFights bounds how many objects are remembered; beyond it the half that was corrected the longest ago is
	// forgotten.
	maxFights = 10000
)

// ConflictTracker counts how often objects were corrected, to find out when another manager sets the same fields again
// and again. More than five corrections of one object in ten minutes are a fight. The zero value is ready; all methods
// may be called at the same time.
type ConflictTracker struct {
	mu   sync.Mutex
	of   map[string]*bout
	last time.Time
}

// bout are the corrections of one object.
type bout struct {
	manager string
	times   []time.Time
}

// Corrected notes that an object was corrected, and which manager had changed it; empty when that is not known.
func (f *ConflictTracker) Corrected(ref, manager string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	if f.of == nil {
		f.of = map[string]*bout{}
	}

	b := f.of[ref]
	if b == nil {
		b = &bout{}
		f.of[ref] = b
	}

	if manager != "" {
		b.manager = manager
	}

	b.times = append(b.since(now), now)
	b.times = b.times[max(0, len(b.times)-maxCorrections-1):]
}

// Conflicting reports whether an object is fought over: with which manager, empty when it is not known, and until when
// it should be left alone.
func (f *ConflictTracker) Conflicting(ref string, now time.Time) (manager string, until time.Time, is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.of[ref]
	if b == nil || len(b.times) <= maxCorrections {
		return "", time.Time{}, false
	}

	until = b.latest().Add(fightWindow)
	if !now.Before(until) {
		return "", time.Time{}, false
	}

	return b.manager, until, true
}

// since returns the corrections within the window; after a fight was left alone the count starts from zero.
func (b *bout) since(now time.Time) []time.Time {
	return slices.DeleteFunc(b.times, func(at time.Time) bool { return now.Sub(at) >= fightWindow })
}

// sweep forgets, once in a window, what was corrected before it. When there are too many objects it forgets the older
// half.
func (f *ConflictTracker) sweep(now time.Time) {
	if now.Sub(f.last) < fightWindow && len(f.of) < maxFights {
		return
	}

	f.last = now
	latest := make([]time.Time, 0, len(f.of))
	for ref, b := range f.of {
		if now.Sub(b.latest()) >= fightWindow {
			delete(f.of, ref)
			continue
		}
		latest = append(latest, b.latest())
	}

	if len(f.of) < maxFights {
		return
	}

	slices.SortFunc(latest, time.Time.Compare)
	middle := latest[len(latest)/2]
	for ref, b := range f.of {
		if !b.latest().After(middle) {
			delete(f.of, ref)
		}
	}
}

func (b *bout) latest() time.Time { return b.times[len(b.times)-1] }
