package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int64]time.Duration{
		0: firstRetry, 1: firstRetry, 2: 2 * firstRetry, 3: 4 * firstRetry, 7: lastRetry, 1000: lastRetry,
	} {
		if got := wanted.retryDelay(failures, false); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
	k := &v1beta1.Kustomization{}
	for asked, want := range map[time.Duration]time.Duration{
		17 * time.Second: 17 * time.Second, time.Millisecond: v1beta1.MinInterval(), 0: lastRetry,
	} {
		k.Spec.RetryInterval = &metav1.Duration{Duration: asked}
		if got := DesiredOf(k, 0).retryDelay(1000, false); got != want {
			t.Errorf("spec.retryInterval %s counts as %s, want %s", asked, got, want)
		}
	}
}

func TestRetryFollowsUnlessTheInputsExceedABound(t *testing.T) {
	t.Parallel()
	if after, follows := Retry(wanted, 2, v1beta1.ApplyFailedReason, false); !follows || after != 10*time.Second {
		t.Errorf("after a failure: %v after %s", follows, after)
	}
	if after, follows := Retry(wanted, 2, v1beta1.BuildFailedReason, true); !follows || after != interval {
		t.Errorf("after a final failure: %v after %s", follows, after)
	}
	if _, follows := Retry(wanted, 1, v1beta1.RenderingLimitExceededReason, true); follows {
		t.Error("inputs that exceed a bound are tried again")
	}
	a := Attempt{Digest: "d1", Failures: 3}
	if got := a.FailuresAfter("d1"); got != 4 {
		t.Errorf("the same inputs have failed %d times", got)
	}
	if got := a.FailuresAfter("d2"); got != 1 {
		t.Errorf("other inputs have failed %d times", got)
	}
}
