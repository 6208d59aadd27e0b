package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/sources"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	plain := errors.New("no route")
	asked := fmt.Errorf("polling: %w", sources.Fail(v1beta1.FetchFailedReason, nil, "busy").After(90*time.Second))
	forever := sources.Fail(v1beta1.FetchFailedReason, nil, "busy").After(24 * time.Hour)
	tests := []struct {
		failures int
		interval time.Duration
		failed   error
		want     time.Duration
	}{
		{failures: 1, interval: time.Hour, failed: plain, want: 5 * time.Second},
		{failures: 2, interval: time.Hour, failed: plain, want: 10 * time.Second},
		{failures: 7, interval: time.Hour, failed: plain, want: 320 * time.Second},
		{failures: 8, interval: time.Hour, failed: plain, want: maxRetry},
		{failures: 1 << 30, interval: time.Hour, failed: plain, want: maxRetry},
		{failures: 5, interval: time.Minute, failed: plain, want: time.Minute},
		{failures: 5, interval: time.Second, failed: plain, want: firstRetry},
		{failures: 1, interval: time.Minute, failed: asked, want: 90 * time.Second},
		{failures: 1, interval: time.Minute, failed: forever, want: time.Hour},
	}
	for _, tt := range tests {
		if got := retryDelay(tt.failures, tt.interval, tt.failed); got != tt.want {
			t.Errorf("failure %d at an interval of %s (%v): %s, want %s", tt.failures, tt.interval, tt.failed, got, tt.want)
		}
	}
}

// exact is no jitter.
func exact(d time.Duration, _ float64) time.Duration { return d }

func TestJitterAddsUpToATenth(t *testing.T) {
	t.Parallel()
	for random, want := range map[float64]time.Duration{0: 10 * time.Minute, 0.5: 630 * time.Second, 1: 11 * time.Minute} {
		jitter := loop.Jitter(func(d time.Duration, maxFactor float64) time.Duration {
			return d + time.Duration(float64(d)*maxFactor*random)
		})
		if got := jitter.Spread(10 * time.Minute); got != want {
			t.Errorf("with %v: %s, want %s", random, got, want)
		}
	}
}

func TestIntervalsBelowTheFloorAreSaid(t *testing.T) {
	t.Parallel()
	for asked, note := range map[string]bool{"1s": true, "1ms": true, "10s": false, "5m": false, "0s": false} {
		r := repository()
		var d metav1.Duration
		if err := d.UnmarshalJSON(fmt.Appendf(nil, "%q", asked)); err != nil {
			t.Fatal(err)
		}
		r.Spec.Interval = &d
		if got := intervalNote(r); (got != "") != note || note && !strings.Contains(got, "10s") {
			t.Errorf("%s: %q", asked, got)
		}
		if r.GetInterval() < v1beta1.MinInterval() {
			t.Errorf("%s counts as %s", asked, r.GetInterval())
		}
	}
}
