package env

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampling is how often the memory of a family of processes is read.
const sampling = 50 * time.Millisecond

// Memory is the memory of a process and of its descendants, in MiB.
type Memory struct {
	// Process is the largest resident memory of the process itself.
	Process float64
	// Children is the largest sum of what its descendants had for themselves at one moment: not the pages of files,
	// which all share.
	Children float64
	// Together is the largest sum of both at one moment.
	Together float64
	// Most is the largest number of descendants at one moment.
	Most int
}

// MemoryWatch samples the memory of a process and of its descendants.
type MemoryWatch struct {
	pid   int
	limit float64
	stop  chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	peak     Memory
	exceeded bool
}

// WatchMemory begins to sample. A process that has more than limit MiB together with its descendants is killed, as
// the kernel kills a
// container; 0 is no limit.
func WatchMemory(pid int, limit float64) *MemoryWatch {
	w := &MemoryWatch{pid: pid, limit: limit, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *MemoryWatch) run() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case <-time.After(sampling):
			w.sample()
		}
	}
}

// sample reads what all have at this moment. Processes that end meanwhile count as nothing.
func (w *MemoryWatch) sample() {
	own, err := memoryOf(w.pid)
	if err != nil {
		return
	}
	family := Descendants(w.pid)
	private := 0.0
	for _, pid := range family {
		if of, err := memoryOf(pid); err == nil {
			private += of["RssAnon"] + of["RssShmem"]
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak.Process = max(w.peak.Process, own["VmHWM"])
	w.peak.Children = max(w.peak.Children, private)
	w.peak.Together = max(w.peak.Together, own["VmRSS"]+private)
	w.peak.Most = max(w.peak.Most, len(family))
	if w.limit > 0 && own["VmRSS"]+private > w.limit && !w.exceeded {
		w.exceeded = true
		if process, err := os.FindProcess(w.pid); err == nil {
			_ = process.Kill()
		}
	}
}

// Peak returns what was seen so far, and whether the process was killed because of it.
func (w *MemoryWatch) Peak() (peak Memory, exceeded bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak, w.exceeded
}

// Stop ends the sampling.
func (w *MemoryWatch) Stop() {
	close(w.stop)
	<-w.done
}

// memoryOf reads the sizes in a /proc/PID/status, in MiB.
func memoryOf(pid int) (map[string]float64, error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return nil, err
	}
	return parseMemory(string(status)), nil
}

func parseMemory(status string) map[string]float64 {
	sizes := map[string]float64{}
	for line := range strings.Lines(status) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err == nil {
			sizes[name] = kib / 1024
		}
	}
	return sizes
}

// PeakMiB is the largest resident memory of a process since it was started.
func PeakMiB(pid int) (float64, error) {
	sizes, err := memoryOf(pid)
	if err != nil {
		return 0, err
	}
	peak, ok := sizes["VmHWM"]
	if !ok {
		return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
	}
	return peak, nil
}

// Descendants of a process, in no order.
func Descendants(pid int) []int {
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil
	}
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if parent, ok := parentIn(path); ok {
			parents[child] = parent
		}
	}
	var found []int
	for child := range maps.Keys(parents) {
		if child != pid && descendsFrom(parents, child, pid) {
			found = append(found, child)
		}
	}
	return found
}

// parentIn reads the parent in a /proc/PID/stat.
func parentIn(path string) (int, bool) {
	stat, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	// The second field is the name in parentheses, which may have spaces and parentheses.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}

func descendsFrom(parents map[int]int, child, ancestor int) bool {
	for range len(parents) {
		parent, ok := parents[child]
		if !ok {
			return false
		}
		if parent == ancestor {
			return true
		}
		child = parent
	}
	return false
}
