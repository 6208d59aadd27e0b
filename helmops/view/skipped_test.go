package view

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

// What was attempted last is explained as known bad; it is not said twice.
func TestSkippedVersionsAreExplained(t *testing.T) {
	t.Parallel()
	since := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s := v1beta1.HelmReleaseStatus{Skipped: []v1beta1.SkippedChart{
		{ChartVersion: "1.2.0", ChartDigest: "sha256:2", Reason: "UpgradeFailed", Since: since},
		{ChartVersion: "1.1.0", ChartDigest: "sha256:1", Reason: "Degraded", Since: since},
	}}
	first := "version 1.2.0 (2) is not taken: it failed with these values on 2026-03-01T12:00:00Z (UpgradeFailed); " +
		"a reset allows it again"
	second := "version 1.1.0 (1) is not taken: it failed with these values on 2026-03-01T12:00:00Z (Degraded); " +
		"a reset allows it again"
	if got := notTaken(s); !slices.Equal(got, []string{first, second}) {
		t.Errorf("%q", got)
	}
	s.LastAttemptedRevisionDigest = "sha256:2"
	s.KnownBad = []v1beta1.KnownBad{{ChartDigest: "sha256:2"}}
	if got := notTaken(s); !slices.Equal(got, []string{second}) {
		t.Errorf("with what was attempted last: %q", got)
	}
}
