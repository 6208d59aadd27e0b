package plan

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Whatever an input is read from, it is one input.
func TestInputsAreEqualWhereverTheyAreReadFrom(t *testing.T) {
	t.Parallel()
	want := Input{Chart: "sha256:a", Config: "sha256:b", Render: "sha256:c"}
	snapshot := v1beta1.Snapshot{ChartDigest: "sha256:a", ConfigDigest: "sha256:b", RenderDigest: "sha256:c"}
	status := v1beta1.HelmReleaseStatus{
		LastAttemptedRevisionDigest: "sha256:a", LastAttemptedConfigDigest: "sha256:b", LastAttemptedRenderDigest: "sha256:c",
	}
	of := RecordsOf([]v1beta1.Snapshot{snapshot})[0]
	for from, got := range map[string]Input{
		"a record":          of.Input(),
		"a snapshot":        InputOf(&snapshot),
		"what is wanted":    Desired{Chart: v1beta1.ChartRevision{Digest: "sha256:a"}, ConfigDigest: "sha256:b", RenderDigest: "sha256:c"}.Input(),
		"an attempt":        AttemptOf(&status).Input(),
		"a status":          InputOfAttempt(&status),
		"what is known bad": InputOfBad(v1beta1.KnownBad{ChartDigest: "sha256:a", ConfigDigest: "sha256:b", RenderDigest: "sha256:c"}),
	} {
		if got != want {
			t.Errorf("of %s: %+v", from, got)
		}
	}
	for from, got := range map[string]Input{
		"a failure":         InputOfFailure(&v1beta1.LastFailure{ChartDigest: "sha256:a", ConfigDigest: "sha256:b"}),
		"what was verified": InputOfVerified(&v1beta1.Verified{ChartDigest: "sha256:a", ConfigDigest: "sha256:b"}),
	} {
		if got != want.Unrendered() || got == want {
			t.Errorf("of %s: %+v", from, got)
		}
	}
}
