package main

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/view"
)

func TestTextOfProgress(t *testing.T) {
	t.Parallel()
	works := view.Settlement{Started: true, Phase: view.Progressing, Message: "upgrading\nweb/shop", Objects: 4, HealthKnown: true, Unhealthy: 1}
	healthy, many, unknown, silent, counted := works, works, works, works, works
	counted.HealthKnown, counted.Unhealthy = false, 0
	healthy.Unhealthy = 0
	many.Objects, many.Unhealthy, many.More = 40, 10, true
	unknown.Objects, unknown.Unhealthy = 0, 0
	silent.Message = ""
	tests := map[string]struct {
		width int
		state view.Settlement
		want  string
	}{
		"before the controller has seen it": {100, view.Settlement{Phase: view.Pending, Message: "old"},
			"release web/shop: waiting for the controller, 1m5s of 5m0s"},
		"some objects are not healthy": {100, works, "release web/shop: Progressing, 1m5s of 5m0s, 3 of 4 objects healthy: upgrading web/shop"},
		"every object is healthy":      {100, healthy, "release web/shop: Progressing, 1m5s of 5m0s, 4 of 4 objects healthy: upgrading web/shop"},
		"the list is bounded":          {100, many, "release web/shop: Progressing, 1m5s of 5m0s, at most 30 of 40 objects healthy: upgrading web/shop"},
		"their health is not known":    {100, counted, "release web/shop: Progressing, 1m5s of 5m0s, 4 objects: upgrading web/shop"},
		"objects are not known":        {100, unknown, "release web/shop: Progressing, 1m5s of 5m0s: upgrading web/shop"},
		"without a message":            {100, silent, "release web/shop: Progressing, 1m5s of 5m0s, 3 of 4 objects healthy"},
		"without a terminal":           {0, works, "release web/shop: Progressing, upgrading web/shop"},
		"without both":                 {0, silent, "release web/shop: Progressing"},
	}
	for name, tt := range tests {
		k, _ := kindByWord("release")
		f := &follower{
			kind: k, key: types.NamespacedName{Namespace: "web", Name: "shop"}, progress: &progress{width: tt.width}, state: tt.state,
			now: func() time.Time { return now }, began: now.Add(-65*time.Second - 300*time.Millisecond), timeout: 5 * time.Minute,
		}
		if got := f.text(); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// On a terminal the line is written again as time passes, although the object does not change.
func TestProgressShowsThatTimePasses(t *testing.T) {
	t.Parallel()
	w := reconcileWorld(works)
	w.width = 200
	began := time.Now()
	w.clock = func() time.Time { return now.Add(time.Since(began)) }
	r := w.run(t, "reconcile", "release", "shop", "--wait", "--timeout", "4s")
	if r.code != exitNotReady || !strings.Contains(r.stderr, "Progressing, 1s of 4s") && !strings.Contains(r.stderr, "Progressing, 2s of 4s") {
		t.Errorf("%+v", r)
	}
}
