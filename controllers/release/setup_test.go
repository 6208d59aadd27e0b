package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A chart stays available to a release that a revision was made of it for. That it was tried, and could not be had, is
// not enough.
func TestAReleaseConsistsOfWhatWasInstalled(t *testing.T) {
	t.Parallel()
	hr := &v1beta1.HelmRelease{}
	hr.Status.LastAttemptedRevisionDigest = "sha256:tried"
	hr.Status.History = []v1beta1.Snapshot{{Version: 2, ChartDigest: "sha256:newer"}, {Version: 1, ChartDigest: "sha256:older"}}
	for digest, want := range map[string]bool{"sha256:newer": true, "sha256:older": true, "sha256:tried": false, "sha256:other": false} {
		if got := consistsOf(hr, v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest}); got != want {
			t.Errorf("%s: %v", digest, got)
		}
	}
}
