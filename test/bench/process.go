package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fairlead.dev/fairlead/test/env"
)

// clockTicks per second, in which the kernel gives processor time to programs; the same on every Linux that Go runs on.
const clockTicks = 100

// proc is a process that is measured.
type proc struct {
	name string
	pid  int
}

// clusterProcs are the processes of the control plane, by name.
func clusterProcs(dir string) ([]proc, error) {
	content, err := os.ReadFile(filepath.Join(dir, "pids.json"))
	if err != nil {
		return nil, err
	}
	pids := map[string]int{}
	if err := json.Unmarshal(content, &pids); err != nil {
		return nil, fmt.Errorf("reading pids.json: %w", err)
	}
	var procs []proc
	for _, name := range slices.Sorted(maps.Keys(pids)) {
		procs = append(procs, proc{name, pids[name]})
	}
	return procs, nil
}

// consumption of a process since it was started.
type consumption struct {
	cpu  float64 // seconds, with those of its descendants
	peak float64 // MiB of the process alone
}

func (p proc) consumed() (consumption, error) {
	cpu, err := cpuOf(p.pid)
	if err != nil {
		return consumption{}, fmt.Errorf("%s: %w", p.name, err)
	}
	for _, child := range env.Descendants(p.pid) {
		if of, err := cpuOf(child); err == nil { // one that has ended since counts for its parent
			cpu += of
		}
	}
	peak, err := env.PeakMiB(p.pid)
	if err != nil {
		return consumption{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return consumption{cpu: cpu, peak: peak}, nil
}

func cpuOf(pid int) (float64, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	return cpuSeconds(string(stat))
}

// cpuSeconds adds up the user and the system time in a /proc/PID/stat, and those of children that have ended.
func cpuSeconds(stat string) (float64, error) {
	// The second field is the name in parentheses, which may have spaces and parentheses.
	_, rest, ok := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields after the name", len(fields))
	}
	ticks := 0.0
	for _, field := range fields[11:15] {
		part, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, err
		}
		ticks += part
	}
	return ticks / clockTicks, nil
}
