package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How long a component may take to end by itself before it is killed.
const (
	stopGrace     = 5 * time.Second
	etcdStopGrace = 10 * time.Second
)

// child is one running component.
type child struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// children are the processes of the cluster. Their lives end with this process: the kernel kills each of them when the
// thread that started it ends, so start must be called by a goroutine that stays locked to its thread.
type children struct {
	dir      workdir
	died     func(error)
	mu       sync.Mutex
	running  []*child
	stopping atomic.Bool
}

// newChildren calls died once for each component that ends without being asked to.
func newChildren(dir workdir, died func(error)) *children {
	return &children{dir: dir, died: died}
}

// command says how to run one component.
type command struct {
	name string
	path string
	args []string
	env  []string
}

// start runs the component, with its output in a log file of its own.
func (cs *children) start(c command) error {
	logPath := cs.dir.log(c.name)
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log of %s: %w", c.name, err)
	}
	defer log.Close()

	// The component's name as the program's name: client-go builds its user agent from it, and ps shows it.
	cmd := &exec.Cmd{Path: c.path, Args: append([]string{c.name}, c.args...), Stdout: log, Stderr: log}
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Dir = string(cs.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// Out of the terminal's foreground group, or Ctrl-C would end the components before they can be ended in order.
		Setpgid: true,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s from %s: %w", c.name, c.path, err)
	}
	started := &child{name: c.name, log: logPath, cmd: cmd, done: make(chan struct{})}
	cs.mu.Lock()
	cs.running = append(cs.running, started)
	cs.mu.Unlock()
	go cs.watch(started)
	return cs.writePids()
}

// watch waits for the end of the component and reports it unless it was asked for.
func (cs *children) watch(c *child) {
	err := c.cmd.Wait()
	close(c.done)
	if cs.stopping.Load() {
		return
	}
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	cs.died(fmt.Errorf("%s ended unexpectedly (%s); the end of %s:\n%s", c.name, how, c.log, tail(c.log)))
}

// writePids writes which process is which component, this one included.
func (cs *children) writePids() error {
	pids := map[string]int{"devcluster": os.Getpid()}
	for _, c := range cs.snapshot() {
		pids[c.name] = c.cmd.Process.Pid
	}
	text, err := json.MarshalIndent(pids, "", "  ")
	if err != nil {
		return fmt.Errorf("encode pids: %w", err)
	}
	return replaceFile(cs.dir.pids(), append(text, '\n'))
}

func (cs *children) snapshot() []*child {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return append([]*child(nil), cs.running...)
}

// stop ends all components: first those that need etcd, together, then etcd. It returns when all are gone.
func (cs *children) stop() {
	cs.stopping.Store(true)
	var clients, stores []*child
	for _, c := range cs.snapshot() {
		if c.name == etcd {
			stores = append(stores, c)
		} else {
			clients = append(clients, c)
		}
	}
	end(clients, stopGrace)
	end(stores, etcdStopGrace)
}

// end asks the processes to end, and kills those that have not done so in time.
func end(group []*child, grace time.Duration) {
	for _, c := range group {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	timeout := time.After(grace)
	for _, c := range group {
		select {
		case <-c.done:
		case <-timeout:
			for _, late := range group {
				_ = late.cmd.Process.Kill()
			}
			timeout = nil
			<-c.done
		}
	}
}

// tail is the last part of a log file, for an error message.
func tail(path string) string {
	const limit = 4096
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	text := make([]byte, min(size, limit))
	if _, err := file.ReadAt(text, size-int64(len(text))); err != nil {
		return err.Error()
	}
	if size > limit {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return string(text)
}
