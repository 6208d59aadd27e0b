package main

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadVersion(t *testing.T) {
	t.Parallel()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	settings := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified}}
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want buildVersion
	}{
		{"nothing is known", nil, buildVersion{Version: "dev", Go: runtime.Version(), Platform: platform}},
		{"built in a work tree", &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: settings("false")},
			buildVersion{Version: "dev", Commit: "abc", Go: "go1.26.8", Platform: platform}},
		{"with changed files", &debug.BuildInfo{GoVersion: "go1.26.8", Settings: settings("true")},
			buildVersion{Version: "dev", Commit: "abc-dirty", Go: "go1.26.8", Platform: platform}},
		{"installed as a module", &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.3"}},
			buildVersion{Version: "v1.2.3", Go: "go1.26.8", Platform: platform}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, readVersion(tt.info)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestVersionCommand(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]buildVersion{
		"fairlead v1 (commit abc-dirty, go1.26.8, linux/arm64)": {Version: "v1", Commit: "abc-dirty", Go: "go1.26.8", Platform: "linux/arm64"},
		"fairlead v1 (go1.26.8, linux/arm64)":                   {Version: "v1", Go: "go1.26.8", Platform: "linux/arm64"},
	} {
		if v.String() != want {
			t.Errorf("%q, want %q", v, want)
		}
	}
	if r := (world{}).run(t, "version"); r.code != exitOK || !strings.HasPrefix(r.stdout, "fairlead dev (") || r.stderr != "" {
		t.Errorf("%+v", r)
	}
	if r := (world{}).run(t, "version", "-o", "json"); r.code != exitOK || !strings.Contains(r.stdout, `"goVersion": "go1.`) {
		t.Errorf("%+v", r)
	}
}
