package release

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

func TestSkipped(t *testing.T) {
	t.Parallel()
	in := Inputs{
		Chart:  v1beta1.ChartRevision{Name: "web", Version: "1.2.0", Digest: "sha256:2"},
		Values: map[string]any{"a": "b"},
	}
	base := &v1beta1.HelmRelease{}
	bad := func(version, digest string, change ...func(*v1beta1.KnownBad)) v1beta1.KnownBad {
		out := v1beta1.KnownBad{
			ChartVersion: version, ChartDigest: digest, ConfigDigest: values.Digest(in.Values),
			SettingsDigest: SettingsDigest(base), Reason: "UpgradeFailed", Since: metav1.NewTime(time.Unix(1000, 0)),
		}
		for _, c := range change {
			c(&out)
		}
		return out
	}
	other := func(b *v1beta1.KnownBad) { b.ConfigDigest = "sha256:other" }
	rendered := func(b *v1beta1.KnownBad) { b.RenderDigest = "sha256:other" }
	settings := func(b *v1beta1.KnownBad) { b.SettingsDigest = "sha256:other" }
	for _, tt := range []struct {
		name string
		had  []v1beta1.KnownBad
		want string
	}{
		{"nothing failed", nil, ""},
		{"the newest failed", []v1beta1.KnownBad{bad("1.2.0", "sha256:2")}, "1.2.0"},
		{"two failed", []v1beta1.KnownBad{bad("1.2.0", "sha256:2"), bad("1.1.0", "sha256:1")}, "1.2.0 1.1.0"},
		{"the newest is another one", []v1beta1.KnownBad{bad("1.1.0", "sha256:1")}, ""},
		{"the newest failed with other values", []v1beta1.KnownBad{bad("1.2.0", "sha256:2", other)}, ""},
		{"the newest failed with other rendering", []v1beta1.KnownBad{bad("1.2.0", "sha256:2", rendered)}, ""},
		{"the newest failed under other settings", []v1beta1.KnownBad{bad("1.2.0", "sha256:2", settings)}, ""},
		{"another failed with other values",
			[]v1beta1.KnownBad{bad("1.2.0", "sha256:2"), bad("1.1.0", "sha256:1", other)}, "1.2.0"},
	} {
		hr := base.DeepCopy()
		hr.Status.KnownBad = tt.had
		var got []string
		for _, s := range Skipped(hr, in) {
			got = append(got, s.ChartVersion)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestTakesInstead(t *testing.T) {
	t.Parallel()
	older := v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:1"}
	runs := func(version, digest string, action plan.Step, status string) []v1beta1.Snapshot {
		return []v1beta1.Snapshot{{
			ChartName: "web", ChartVersion: version, ChartDigest: digest, Action: string(action), Status: status,
		}}
	}
	for _, tt := range []struct {
		name    string
		history []v1beta1.Snapshot
		want    bool
	}{
		{"nothing runs", nil, false},
		{"what ran was uninstalled", runs("1.0.0", "sha256:0", plan.Upgrade, plan.StatusUninstalled), false},
		{"an older version runs", runs("1.0.0", "sha256:0", plan.Rollback, plan.StatusDeployed), true},
		{"a newer version runs", runs("1.1.5", "sha256:5", plan.Upgrade, plan.StatusDeployed), false},
		{"the bad version runs", runs("1.2.0", "sha256:2", plan.Upgrade, plan.StatusFailed), false},
		{"it runs", runs("1.1.0", "sha256:1", plan.Upgrade, plan.StatusDeployed), true},
		{"it failed and is tried again", runs("1.1.0", "sha256:1", plan.Upgrade, plan.StatusFailed), true},
		{"it runs after a rollback", runs("1.1.0", "sha256:1", plan.Rollback, plan.StatusDeployed), false},
		{"its version runs with other content", runs("1.1.0", "sha256:9", plan.Upgrade, plan.StatusDeployed), false},
		{"what runs has no version to compare", runs("latest", "sha256:0", plan.Upgrade, plan.StatusDeployed), false},
	} {
		hr := &v1beta1.HelmRelease{}
		hr.Status.History = tt.history
		if got := TakesInstead(hr, older); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	hr := &v1beta1.HelmRelease{}
	hr.Status.History = runs("1.0.0", "sha256:0", plan.Upgrade, plan.StatusDeployed)
	hr.Status.History[0].ChartName = "other"
	if TakesInstead(hr, older) {
		t.Error("a chart of another name is taken")
	}
}
