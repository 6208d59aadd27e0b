package main

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"fairlead.dev/fairlead/test/env"
)

// machine is what the figures depend on besides the code.
type machine struct {
	CPU       string `json:"cpu"`
	Cores     int    `json:"cores"`
	MemoryMiB int    `json:"memoryMiB"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"`
	Commit    string `json:"commit"`
	Fairlead  string `json:"fairlead"`
}

func describeMachine(ctx context.Context) machine {
	m := machine{
		CPU:    cmp.Or(procValue("/proc/cpuinfo", "model name"), runtime.GOARCH),
		Cores:  runtime.NumCPU(),
		Go:     runtime.Version(),
		Kernel: "unknown",
		Commit: cmp.Or(output(ctx, "git", "describe", "--always", "--dirty", "--exclude", "*"), "unknown"),
	}
	if kib, err := strconv.Atoi(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		m.MemoryMiB = kib / 1024
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(release))
	}
	if root, err := env.Root(); err == nil {
		m.Fairlead = output(ctx, filepath.Join(root, "bin", "fairlead"), "version")
	}
	return m
}

// procValue finds the first line "name: value" of a file of the kernel.
func procValue(path, name string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func output(ctx context.Context, name string, args ...string) string {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
