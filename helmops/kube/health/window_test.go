package health

import (
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func deployment(state State, serving bool) Observed {
	return Observed{
		Kind: "Deployment", Group: "apps", Namespace: "apps", Name: "web", Watched: true, Exists: true,
		Ready: Report{State: state, Message: "0 of 1 pods", Serving: serving},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	job := Observed{Kind: "Job", Group: "batch", Name: "migrate", Watched: true}
	failedJob := job
	failedJob.Exists = true
	failedJob.Complete = Report{State: Failed, Message: "BackoffLimitExceeded"}
	ignored := deployment(Failed, false)
	ignored.Ignored = true
	unwatched := deployment(Failed, false)
	unwatched.Watched = false
	gone := deployment(Current, false)
	gone.Exists = false
	for _, tt := range []struct {
		name            string
		objects         []Observed
		healthy, failed bool
		unhealthy       int
	}{
		{name: "no objects", healthy: true},
		{name: "current", objects: []Observed{deployment(Current, false)}, healthy: true},
		{name: "in progress", objects: []Observed{deployment(InProgress, false)}, unhealthy: 1},
		{name: "in progress but serving", objects: []Observed{deployment(InProgress, true)}, healthy: true, unhealthy: 1},
		{name: "failed but serving", objects: []Observed{deployment(Failed, true)}, failed: true, unhealthy: 1},
		{name: "deleted", objects: []Observed{gone}, unhealthy: 1},
		{name: "excluded by an annotation", objects: []Observed{ignored}, healthy: true},
		{name: "of a kind that cannot be watched", objects: []Observed{unwatched}, healthy: true},
		{name: "a Job that its TTL removed", objects: []Observed{job}, healthy: true},
		{name: "a failed Job", objects: []Observed{failedJob}, failed: true, unhealthy: 1},
		{
			name: "one of each", objects: []Observed{deployment(InProgress, true), failedJob, deployment(Current, false)},
			failed: true, unhealthy: 2,
		},
	} {
		v := Judge(tt.objects)
		if v.Healthy() != tt.healthy || v.Failed != tt.failed || len(v.Unhealthy) != tt.unhealthy {
			t.Errorf("%s: healthy %t, failed %t, %+v", tt.name, v.Healthy(), v.Failed, v.Unhealthy)
		}
	}
	v := Judge([]Observed{deployment(InProgress, false), failedJob})
	if v.Unhealthy[0].Kind != "Job" {
		t.Errorf("the object that failed is not first: %+v", v.Unhealthy)
	}
}

func TestAWindowDelaysTheReportUntilTheHealthIsStable(t *testing.T) {
	t.Parallel()
	var w Window
	healthy, bad := Judge(nil), Judge([]Observed{deployment(InProgress, false)})
	w.Observe(healthy, time.Time{}, start)
	if wait := w.Delay(false, start); wait != 0 {
		t.Errorf("a release that is healthy from the start is reported after %s", wait)
	}
	if examine, again := w.Report(start); examine || again != 0 {
		t.Errorf("causes of a healthy release: %t, again in %s", examine, again)
	}

	later := start.Add(time.Minute)
	w.Observe(bad, time.Time{}, later)
	if wait := w.Delay(false, later); wait != StabilizationWindow {
		t.Errorf("the change is reported after %s", wait)
	}
	if wait := w.Delay(true, later); wait != 0 {
		t.Errorf("a failure is reported after %s", wait)
	}
	if !w.Since().Equal(later) {
		t.Errorf("unhealthy since %s", w.Since())
	}
	w.Observe(healthy, time.Time{}, later.Add(time.Second))
	w.Observe(bad, time.Time{}, later.Add(2*time.Second))
	if wait := w.Delay(false, later.Add(StabilizationWindow)); wait != 2*time.Second {
		t.Errorf("a release that flaps is reported after %s", wait)
	}
}

func TestCausesAreExaminedOncePerPause(t *testing.T) {
	t.Parallel()
	var w Window
	w.Observe(Judge([]Observed{deployment(InProgress, false)}), time.Time{}, start)
	for _, tt := range []struct {
		after   time.Duration
		examine bool
		again   time.Duration
	}{
		{after: 0, examine: true, again: CausesEvery},
		{after: time.Minute, examine: false, again: CausesEvery - time.Minute},
		{after: CausesEvery, examine: true, again: CausesEvery},
	} {
		if examine, again := w.Report(start.Add(tt.after)); examine != tt.examine || again != tt.again {
			t.Errorf("after %s: %t, again in %s", tt.after, examine, again)
		}
	}
	gone := deployment(InProgress, false)
	gone.Exists = false
	w.Observe(Judge([]Observed{gone, deployment(Failed, false)}), time.Time{}, start.Add(CausesEvery))
	if examine, _ := w.Report(start.Add(CausesEvery + time.Second)); !examine {
		t.Error("the causes of another state are not looked for")
	}
}

func TestBadHealthFromBeforeTheProcessCounts(t *testing.T) {
	t.Parallel()
	bad := Judge([]Observed{deployment(InProgress, false)})
	var w Window
	w.Observe(bad, start.Add(-time.Hour), start)
	if !w.Since().Equal(start.Add(-time.Hour)) {
		t.Errorf("unhealthy since %s", w.Since())
	}
	w.Observe(Judge(nil), start.Add(-time.Hour), start.Add(time.Second))
	w.Observe(bad, start.Add(-time.Hour), start.Add(2*time.Second))
	if !w.Since().Equal(start.Add(2 * time.Second)) {
		t.Errorf("unhealthy again since %s", w.Since())
	}
}

func TestHealthIsUnknownAfterAWhileWithoutAWatch(t *testing.T) {
	t.Parallel()
	var w Window
	if left := w.Unseen(start); left != UnknownAfter {
		t.Errorf("at first %s", left)
	}
	if left := w.Unseen(start.Add(UnknownAfter)); left != 0 {
		t.Errorf("after a while %s", left)
	}
	w.Seen()
	if left := w.Unseen(start.Add(time.Hour)); left != UnknownAfter {
		t.Errorf("the next time %s", left)
	}
}
