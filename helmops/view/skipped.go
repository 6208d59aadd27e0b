package view

import (
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
)

// notTaken says which charts of its source a release does not take, and why.
func notTaken(s v1beta1.HelmReleaseStatus) []string {
	var out []string
	now, _ := badNow(s)
	for _, bad := range s.Skipped {
		if bad.ChartDigest == now.ChartDigest {
			continue // it is what was attempted last, of which more is said
		}
		out = append(out, fmt.Sprintf(
			"version %s (%s) is not taken: it failed with these values on %s (%s); a reset allows it again",
			bad.ChartVersion, v1beta1.ShortDigest(bad.ChartDigest), utc(bad.Since), bad.Reason))
	}

	switch h := s.Held; {
	case h == nil:
	case h.Reason == v1beta1.HeldByWindow:
		out = append(out, h.Message)
	default:
		out = append(out, fmt.Sprintf("version %s (%s) is not taken for now: %s: %s",
			h.ChartVersion, v1beta1.ShortDigest(h.ChartDigest), h.Reason, h.Message))
	}

	return out
}
