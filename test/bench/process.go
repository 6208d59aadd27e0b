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

	"fairlead.dev/fairlead/test/stage"
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
	cpu  float64 // seconds
	peak float64 // MiB
}

func (p proc) consumed() (consumption, error) {
	dir := filepath.Join("/proc", strconv.Itoa(p.pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return consumption{}, fmt.Errorf("%s: %w", p.name, err)
	}
	cpu, err := cpuSeconds(string(stat))
	if err != nil {
		return consumption{}, fmt.Errorf("%s: %w", p.name, err)
	}
	peak, err := stage.PeakMiB(p.pid)
	if err != nil {
		return consumption{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return consumption{cpu: cpu, peak: peak}, nil
}

// cpuSeconds adds up the user and the system time in a /proc/PID/stat.
func cpuSeconds(stat string) (float64, error) {
	// The second field is the name in parentheses, which may have spaces and parentheses.
	_, rest, ok := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields after the name", len(fields))
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTicks, err
}
