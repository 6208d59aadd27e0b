package release

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// The digest of a release without a strategy is what it was before there was one: what is known to be bad stays so.
func TestSettingsDigestOfTheWaitStrategy(t *testing.T) {
	t.Parallel()
	with := func(name string) string {
		return SettingsDigest(helmRelease(func(hr *v1beta1.HelmRelease) {
			hr.Spec.WaitStrategy = &v1beta1.WaitStrategy{Name: name}
		}))
	}
	none := SettingsDigest(helmRelease())
	if with("poller") != none || with(v1beta1.WaitStrategyLegacy) == none {
		t.Errorf("none %s, poller %s, legacy %s", none, with("poller"), with(v1beta1.WaitStrategyLegacy))
	}
}
