package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"fairlead.dev/fairlead/test/env"
)

// report is what a run prints. Times are in seconds.
type report struct {
	Machine   machine  `json:"machine"`
	Settings  settings `json:"settings"`
	Scenarios []result `json:"scenarios"`
}

// result of a scenario.
type result struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Releases int    `json:"releases"`
	// Submitted is how long it took to send all changes to the API server; they are worked on meanwhile.
	Submitted float64 `json:"submittedSeconds,omitempty"`
	// Wall is the time from the first change to the last release that is Ready.
	Wall float64 `json:"wallSeconds"`
	// Ready is the time from sending a change to the news that the release is Ready.
	Ready     spread  `json:"readySeconds"`
	Processes []usage `json:"processes"`
	// Requests of the controller; nil when they were not counted.
	Requests []requests `json:"requests"`
	// Notes are figures of this scenario alone.
	Notes []string `json:"notes,omitempty"`
	// AllRequests that the API server answered, of every client.
	AllRequests int `json:"allRequests"`
}

// spread of measured values.
type spread struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	Max float64 `json:"max"`
}

// usage of a process.
type usage struct {
	Process string `json:"process"`
	// CPU seconds during the scenario.
	CPU float64 `json:"cpuSeconds"`
	// PeakMiB is the largest resident memory since the process was started.
	PeakMiB float64 `json:"peakMiB"`
}

// requests of one kind.
type requests struct {
	env.Key
	Count int `json:"count"`
}

// spreadOf takes percentiles by the nearest rank.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := func(p float64) float64 { return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)] }
	return spread{P50: rank(0.5), P95: rank(0.95), Max: sorted[len(sorted)-1]}
}

// charge books what was consumed between two readings.
func (r *result) charge(procs []proc, before, after reading) {
	for i, p := range procs {
		r.Processes = append(r.Processes, usage{
			Process: p.name, CPU: after.processes[i].cpu - before.processes[i].cpu, PeakMiB: after.processes[i].peak,
		})
	}
	r.AllRequests = after.all - before.all
	if after.requests == nil {
		return
	}
	r.Requests = []requests{}
	for key, count := range after.requests {
		if count -= before.requests[key]; count > 0 {
			r.Requests = append(r.Requests, requests{key, count})
		}
	}
	slices.SortFunc(r.Requests, func(a, b requests) int {
		return cmp.Or(cmp.Compare(a.UserAgent, b.UserAgent), cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb))
	})
}

func (r *result) perRelease(value float64) string {
	if r.Releases == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", value/float64(r.Releases))
}

// peak is the largest resident memory of the controller, whose usage comes first.
func (r *result) peak() string {
	if len(r.Processes) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", r.Processes[0].PeakMiB)
}

func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}

func (r *report) print(out io.Writer) error {
	text := &bytes.Buffer{}
	m := r.Machine
	fmt.Fprintf(text, "\n%s, %d cores, %d MiB, Linux %s, %s, commit %s\n%s\n", m.CPU, m.Cores, m.MemoryMiB, m.Kernel, m.Go,
		m.Commit, m.Fairlead)
	const row = "%-10s %9v %10v %8v %8v %8v %8v %9v\n"
	fmt.Fprintf(text, "\nseconds to Ready, from the change\n")
	fmt.Fprintf(text, row, "scenario", "releases", "submitted", "p50", "p95", "last", "wall", "peak MiB")
	for _, s := range r.Scenarios {
		if s.Releases > 0 {
			fmt.Fprintf(text, row, s.Name, s.Releases, two(s.Submitted),
				two(s.Ready.P50), two(s.Ready.P95), two(s.Ready.Max), two(s.Wall), s.peak())
		}
	}
	for i := range r.Scenarios {
		r.Scenarios[i].print(text)
	}
	_, err := text.WriteTo(out)
	return err
}

func (r *result) print(text *bytes.Buffer) {
	fmt.Fprintf(text, "\n%s: %s\n", r.Name, r.Title)
	for _, note := range r.Notes {
		fmt.Fprintf(text, "  %s\n", note)
	}
	const usageRow = "  %-24s %10v %12v %10v\n"
	fmt.Fprintf(text, usageRow, "process", "CPU s", "per release", "peak MiB")
	for _, u := range r.Processes {
		fmt.Fprintf(text, usageRow, u.Process, two(u.CPU), r.perRelease(u.CPU), fmt.Sprintf("%.0f", u.PeakMiB))
	}
	const requestRow = "  %-14s %-17s %-30s %8v %12v\n"
	fmt.Fprintf(text, "\n"+requestRow, "requests of", "verb", "resource", "count", "per release")
	if r.Requests == nil {
		fmt.Fprintf(text, requestRow, "fairlead", "", "", "not counted", "-")
	}
	sum := 0
	for i, q := range r.Requests {
		fmt.Fprintf(text, requestRow, q.UserAgent, q.Verb, q.Resource, q.Count, r.perRelease(float64(q.Count)))
		sum += q.Count
		if i+1 == len(r.Requests) || r.Requests[i+1].UserAgent != q.UserAgent {
			fmt.Fprintf(text, requestRow, q.UserAgent, "all", "", sum, r.perRelease(float64(sum)))
			sum = 0
		}
	}
	fmt.Fprintf(text, requestRow, "every client", "all", "", r.AllRequests, r.perRelease(float64(r.AllRequests)))
}

func two(value float64) string { return fmt.Sprintf("%.2f", value) }
