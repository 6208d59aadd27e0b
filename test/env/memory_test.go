package env

import (
	"bytes"
	"os/exec"
	"testing"
	"time"
)

// A family of processes: a shell whose child has memory for itself.
func TestMemoryOfAFamily(t *testing.T) {
	t.Parallel()
	// tail keeps the last line, which is one of 64 MiB.
	script := `(head -c 67108864 /dev/zero; sleep 60) | tail -n 1 & wait`
	command := exec.CommandContext(t.Context(), "sh", "-c", script)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	watch := WatchMemory(command.Process.Pid, 32)
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	defer func() {
		for _, pid := range Descendants(command.Process.Pid) {
			t.Errorf("process %d is left", pid)
		}
	}()
	select {
	case <-ended:
	case <-time.After(Patience):
		t.Fatal("a family with more memory than its limit was not killed")
	}
	watch.Stop()
	peak, exceeded := watch.Peak()
	// The limit is for all together: the children alone may have less of it when the sample is taken.
	if !exceeded || peak.Together < 32 || peak.Together < peak.Children ||
		peak.Children <= 0 || peak.Process <= 0 || peak.Most < 1 {
		t.Errorf("exceeded is %v, the peak %+v", exceeded, peak)
	}
}

func TestParseMemory(t *testing.T) {
	t.Parallel()
	status := &bytes.Buffer{}
	status.WriteString("Name:\tx: y\nVmHWM:\t    2048 kB\nRssAnon:\t512 kB\nThreads:\t3\n")
	got := parseMemory(status.String())
	if got["VmHWM"] != 2 || got["RssAnon"] != 0.5 {
		t.Errorf("got %v", got)
	}
}
