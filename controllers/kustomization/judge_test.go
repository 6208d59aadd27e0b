package kustomization

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/status"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tried returns a Kustomization whose last attempt was so long ago. With failures it failed.
func tried(ago time.Duration, failures int64) *v1beta1.Kustomization {
	at := metav1.NewTime(now.Add(-ago))
	k := &v1beta1.Kustomization{}
	k.Status.LastAttemptedAt, k.Status.LastAttemptedDigest, k.Status.Failures = &at, "d1", failures
	if failures == 0 {
		k.Status.LastAppliedDigest = "d1"
	}
	return k
}

func stalled(k *v1beta1.Kustomization) *v1beta1.Kustomization {
	status.Stalled(k, v1beta1.ValidationFailedReason, "wrong", now)
	return k
}

// retrying returns a Kustomization that is not stalled any more.
func retrying(k *v1beta1.Kustomization) *v1beta1.Kustomization {
	status.Progressing(k, "waiting for its source", now)
	return k
}

// limited returns a Kustomization whose last attempt exceeded a bound.
func limited(ago time.Duration) *v1beta1.Kustomization {
	k := stalled(tried(ago, 1))
	k.Status.LimitExceeded = &v1beta1.LimitExceeded{Digest: "d1", Message: "too much"}
	return k
}

func TestJudge(t *testing.T) {
	t.Parallel()
	differs := apply.Sight{Differs: []string{"ConfigMap a/1", "ConfigMap a/2", "ConfigMap a/3", "ConfigMap a/4"}}
	unhealthy := []v1beta1.ObjectHealth{{Kind: "Deployment", Name: "web"}}
	free := facts{digest: "d1", freed: true}
	for _, tt := range []struct {
		name    string
		k       *v1beta1.Kustomization
		facts   facts
		want    step
		why     string
		after   time.Duration
		overdue bool
	}{
		{"never tried", &v1beta1.Kustomization{}, facts{digest: "d1"}, stepApply, "changed", 0, false},
		{"a new revision", tried(time.Hour, 0), facts{digest: "d2", known: true}, stepApply, "changed", 0, false},
		{"a new revision while the last one failed just now", tried(0, 9), facts{digest: "d2"}, stepApply, "changed", 0, false},
		{"asked for", tried(0, 3), facts{digest: "d1", asked: true}, stepApply, "asked for", 0, false},
		{"failed just now", tried(2*time.Second, 1), facts{digest: "d1"}, stepWait, "in 3s", 3 * time.Second, false},
		{"failed a while ago", tried(5*time.Second, 1), facts{digest: "d1"}, stepApply, "failed", 0, false},
		{"what it waited for has come", tried(0, 9), facts{digest: "d1", awaited: true}, stepApply, "failed", 0, false},
		{"what was in its way is gone", tried(5*time.Second, 9), free, stepApply, "failed", 0, false},
		{"it may not be the last", tried(2*time.Second, 9), free, stepWait, "in 3s", 3 * time.Second, false},
		{"can never succeed, by what is known", stalled(tried(time.Minute, 1)), facts{digest: "d1"}, stepWait, "59m0s", 59 * time.Minute, false},
		{"is tried again all the same, once an interval", stalled(tried(time.Hour, 1)), facts{digest: "d1"}, stepApply, "failed", 0, false},
		{"exceeds a bound", limited(48 * time.Hour), facts{digest: "d1"}, stepWait, "bound", 0, false},
		{"exceeds a bound, after a restart while its source was not known yet", retrying(limited(time.Hour)), facts{digest: "d1"}, stepWait, "bound", 0, false},
		{"exceeded a bound before something changed", limited(time.Second), facts{digest: "d2"}, stepApply, "changed", 0, false},
		{"exceeds a bound, and was asked for", limited(time.Second), facts{digest: "d1", asked: true}, stepApply, "asked for", 0, false},
		{"objects not seen yet", tried(time.Hour, 0), facts{digest: "d1"}, stepRest, "looked at", 0, false},
		{"objects differ", tried(time.Hour, 0), facts{digest: "d1", known: true, sight: differs}, stepApply, "and 1 more", 0, false},
		{"differing objects of an attempt that failed wait with it", tried(0, 1), facts{digest: "d1", known: true, sight: differs}, stepWait, "failed", 5 * time.Second, false},
		{"an audit of what cannot be watched", tried(time.Hour, 0), facts{digest: "d1", known: true, audit: true, sight: apply.Sight{Unseen: make([]v1beta1.ResourceRef, 1)}}, stepApply, "may not be watched", 0, false},
		{"an audit with everything in sight", tried(time.Hour, 0), facts{digest: "d1", known: true, audit: true}, stepRest, "everything is applied", 0, false},
		{"waiting for health", tried(time.Minute, 0), facts{digest: "d1", known: true, waiting: unhealthy}, stepRest, "not healthy", 4 * time.Minute, false},
		{"waiting for health for too long", tried(time.Hour, 0), facts{digest: "d1", known: true, waiting: unhealthy}, stepRest, "not healthy", 0, true},
		{"objects are kept for others", tried(time.Hour, 0), facts{digest: "d1", known: true, kept: time.Minute},
			stepRest, "everything", time.Minute, false},
		{"no other Kustomization wants them any more", tried(time.Hour, 0), facts{digest: "d1", known: true, unclaimed: true},
			stepApply, "can be pruned", 0, false},
		{"no other Kustomization wants them, after a failure", tried(0, 1), facts{digest: "d1", known: true, unclaimed: true},
			stepWait, "failed", 5 * time.Second, false},
		{"a truce", tried(time.Hour, 0), facts{digest: "d1", known: true, truce: time.Minute}, stepRest, "everything", time.Minute, false},
		{"a truce while waiting", tried(time.Minute, 0), facts{digest: "d1", known: true, truce: time.Minute, waiting: unhealthy}, stepRest, "healthy", time.Minute, false},
		{"the end of a truce", tried(time.Hour, 0), facts{digest: "d1", known: true, over: true}, stepApply, "fights", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := judge(tt.k, tt.facts, now)
			if got.step != tt.want || !strings.Contains(got.why, tt.why) || got.after != tt.after || got.overdue != tt.overdue {
				t.Errorf("got %+v, want %s (%s) after %s", got, tt.want, tt.why, tt.after)
			}
		})
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	var got []time.Duration
	for _, failures := range []int64{0, 1, 2, 3, 7, 1000} {
		got = append(got, retryDelay(k, failures, false))
	}
	for i, want := range []time.Duration{firstRetry, firstRetry, 2 * firstRetry, 4 * firstRetry, lastRetry, lastRetry} {
		if got[i] != want {
			t.Errorf("delay %d is %s, want %s", i, got[i], want)
		}
	}
	for asked, want := range map[time.Duration]time.Duration{
		17 * time.Second: 17 * time.Second, time.Millisecond: v1beta1.MinInterval(), 0: lastRetry,
	} {
		k.Spec.RetryInterval = &metav1.Duration{Duration: asked}
		if got := retryDelay(k, 1000, false); got != want {
			t.Errorf("spec.retryInterval %s counts as %s, want %s", asked, got, want)
		}
	}
}
