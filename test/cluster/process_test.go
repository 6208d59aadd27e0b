package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is for machines that do three other things at the same time.
const patience = 60 * time.Second

// binary is the program under test. The contract is that of the built binary, so its absence is a failure.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("FAIRLEAD_DEVCLUSTER")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "devcluster")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make cluster` to build it, or set FAIRLEAD_DEVCLUSTER", err)
	}
	return path
}

// process is a running devcluster.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string
	stderr *output
	client kubernetes.Interface
	// rest holds what stdout said after the ready line, once stdout is closed.
	rest chan string
}

// output collects what a process writes, for a reader in another goroutine.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startProcess runs devcluster until it says that it is ready.
func startProcess(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, stderr: &output{}, rest: make(chan string, 1)}
	p.cmd = exec.Command(binary(t), append([]string{"--dir", dir}, args...)...)
	p.cmd.Stderr = p.stderr
	// Not StdoutPipe: Wait would close it under the reader.
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		reader.Close()
		if t.Failed() {
			t.Logf("stderr of devcluster --dir %s:\n%s", dir, p.stderr)
		}
	})
	p.awaitReady(reader)
	return p
}

func (p *process) awaitReady(stdout io.Reader) {
	p.t.Helper()
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n')
		first <- line
		rest, _ := io.ReadAll(lines)
		p.rest <- string(rest)
	}()
	select {
	case line := <-first:
		kubeconfig := filepath.Join(p.dir, "kubeconfig")
		if line != "ready kubeconfig="+kubeconfig+"\n" {
			p.t.Fatalf("stdout says %q, want the ready line for %s; stderr:\n%s", line, kubeconfig, p.stderr)
		}
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			p.t.Fatal(err)
		}
		config.QPS, config.Burst = 200, 200
		if p.client, err = kubernetes.NewForConfig(config); err != nil {
			p.t.Fatal(err)
		}
	case <-time.After(2 * patience):
		p.t.Fatalf("not ready after %s; stderr:\n%s", 2*patience, p.stderr)
	}
}

// pids reads which process is which component.
func (p *process) pids() map[string]int {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "pids.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var pids map[string]int
	if err := json.Unmarshal(text, &pids); err != nil {
		p.t.Fatal(err)
	}
	return pids
}

// end sends the signal to devcluster, waits for its end and returns its exit code. Every component must be gone then,
// and stdout must have had one line only.
func (p *process) end(signal syscall.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	pids := p.pids()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
	case <-time.After(patience):
		p.t.Fatalf("devcluster did not end in %s", patience)
	}
	for name, pid := range pids {
		eventually(p.t, name+" to be gone", func(context.Context) error {
			if alive(pid) {
				return fmt.Errorf("pid %d is alive", pid)
			}
			return nil
		})
	}
	if rest := <-p.rest; rest != "" {
		p.t.Errorf("stdout goes on after the ready line: %q", rest)
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive reports whether the process runs. One that has ended and was not collected yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// refused runs a devcluster that must not start, and returns what it says.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("devcluster %v hangs: %s", args, text)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		t.Fatalf("devcluster %v ended with %v, want a refusal: %s", args, err, text)
	}
	return string(text)
}

// eventually repeats the check until it has nothing to complain about.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check(t.Context())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
