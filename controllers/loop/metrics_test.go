package loop

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/status"
)

func TestReadyValue(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*v1beta1.HelmRelease)
		want   float64
	}{
		{"without conditions", func(*v1beta1.HelmRelease) {}, -1},
		{"at work", func(hr *v1beta1.HelmRelease) { status.Progressing(hr, "installing", noon) }, -1},
		{"Ready", func(hr *v1beta1.HelmRelease) { status.Ready(hr, v1beta1.UpgradeSucceededReason, "runs", noon) }, 1},
		{"failed", func(hr *v1beta1.HelmRelease) { status.Retrying(hr, v1beta1.UpgradeFailedReason, "broken", noon) }, 0},
		{"stalled", func(hr *v1beta1.HelmRelease) { status.Stalled(hr, v1beta1.KnownBadReason, "broken", noon) }, 0},
		{"held by a user", func(hr *v1beta1.HelmRelease) { status.Stalled(hr, v1beta1.RolledBackReason, "asked for", noon) }, -1},
	}
	for _, tt := range tests {
		hr := release()
		tt.change(hr)
		if got := readyValue(hr); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
