// Package env sets up what the demo, the integration tests and the benchmarks play on: a real control plane from
// bin/devcluster and Fairlead's controller from bin/fairlead, each as a process of its own.
package env

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process has to end by itself before it is killed.
const stopGrace = 15 * time.Second

// process is a child that writes its stderr to a file.
type process struct {
	name    string
	command *exec.Cmd
	log     string
	done    chan struct{}

	mu  sync.Mutex
	err error
}

// begin starts a child. Its stdout goes to out, its stderr to the log file, to which an earlier run may have written.
func begin(name, log string, out *lineWriter, path string, args ...string) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	p := &process{name: name, log: log, done: make(chan struct{}), command: exec.Command(path, args...)}
	p.command.Stderr = file
	if out != nil {
		p.command.Stdout = out
	}
	// A group of its own, so that Ctrl-C reaches it through us and in our order.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		err := p.command.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// stop asks the child to end, and kills it when it does not.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopGrace):
		_ = p.command.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %s and was killed", p.name, stopGrace)
	}
}

// kill ends the child without a word.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.done
}

// ended describes a child that has ended by itself; nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("%s ended by itself (%w); its last words in %s:\n%s", p.name,
			cmp.Or(p.err, errors.New("exit code 0")), p.log, tail(p.log))
	default:
		return nil
	}
}

// tail returns the end of a file.
func tail(path string) string {
	const size = 2000
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(content) > size {
		content = content[len(content)-size:]
	}
	return string(content)
}

// lineWriter passes on complete lines.
type lineWriter struct {
	lines   chan string
	pending bytes.Buffer
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.pending.Write(p)
	for bytes.IndexByte(w.pending.Bytes(), '\n') >= 0 {
		line, _ := w.pending.ReadString('\n')
		select {
		case w.lines <- line[:len(line)-1]:
		default:
		}
	}
	return len(p), nil
}

// Root is the top folder of the project: the nearest one above the working directory that has the Makefile.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "Makefile")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("run this from within the project")
}

// Binary finds a program that make has built, by its name.
func Binary(name string) (string, error) { return binary(name) }

// binary finds a program that make has built.
func binary(name string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not built; run make cluster build", path)
	}
	return path, nil
}
