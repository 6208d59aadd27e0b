package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// buildVersion is what this binary was built from.
type buildVersion struct {
	Version string `json:"version"`
	// Commit is empty when the build did not know it; a suffix -dirty says that files were changed after it.
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"goVersion"`
	Platform string `json:"platform"`
}

// String is the version on one line; a commit that is not known is left out.
func (v buildVersion) String() string {
	commit := ""
	if v.Commit != "" {
		commit = "commit " + v.Commit + ", "
	}
	return fmt.Sprintf("fairlead %s (%s%s, %s)", v.Version, commit, v.Go, v.Platform)
}

func newVersionCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of this program",
		Example: `  fairlead version
  fairlead version -o json`,
		Args: noArguments,
	}
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(*cobra.Command, []string) error {
		info, _ := debug.ReadBuildInfo()
		v := readVersion(info)
		if out.machine() {
			return out.write(a.out, v)
		}

		_, err := fmt.Fprintln(a.out, v)
		return err
	}
	return cmd
}

// readVersion reads what the compiler noted; info is nil when it noted nothing.
func readVersion(info *debug.BuildInfo) buildVersion {
	v := buildVersion{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return v
	}
	if info.GoVersion != "" {
		v.Go = info.GoVersion
	}
	if version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}

	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}

	if v.Commit != "" {
		v.Commit += dirty
	}

	return v
}
