package env

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"
)

// controllerStart is how long the controller may take to come up on a slow machine.
const controllerStart = time.Minute

// Controller is a running controller of Fairlead.
type Controller struct {
	// Metrics is the URL of its metrics.
	Metrics string
	// Hooks is the URL under which Receivers are called.
	Hooks string
	// Log is the path of its log.
	Log string

	process *process
}

// StartController runs bin/fairlead controller against a cluster until it says that it is ready. dir holds its log and
// its artifact cache.
func StartController(ctx context.Context, cluster *Cluster, dir string, args ...string) (*Controller, error) {
	path, err := binary("fairlead")
	if err != nil {
		return nil, err
	}
	metrics, health, hooks, err := freePorts()
	if err != nil {
		return nil, err
	}
	all := append([]string{"controller", "--kubeconfig", cluster.Kubeconfig, "--cache-dir", filepath.Join(dir, "cache"),
		"--metrics-addr", metrics, "--health-addr", health, "--receiver-addr", hooks,
		"--min-interval", "1s"}, args...) // tests wait for polls
	log := filepath.Join(dir, "controller.log")
	cluster.logsTo(log)
	child, err := begin("the controller", log, nil, path, all...)
	if err != nil {
		return nil, err
	}
	c := &Controller{Metrics: "http://" + metrics + "/metrics", Hooks: "http://" + hooks, Log: log, process: child}
	err = Until(ctx, controllerStart, "the controller is ready", func() (bool, error) {
		if err := child.ended(); err != nil {
			return false, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+health+"/readyz", nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		return response.StatusCode == http.StatusOK, response.Body.Close()
	})
	if err != nil {
		return nil, errors.Join(err, child.stop())
	}
	return c, nil
}

// Stop asks the controller to end.
func (c *Controller) Stop() error { return c.process.stop() }

// Kill ends the controller the way a crash or a lack of memory does.
func (c *Controller) Kill() { c.process.kill() }

// Pause stops the process where it is, the way a machine does that is overloaded or asleep, until Resume.
func (c *Controller) Pause() error { return c.process.command.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process continue; for the process no time has passed.
func (c *Controller) Resume() error { return c.process.command.Process.Signal(syscall.SIGCONT) }

// Failed says why the controller has ended by itself; nil while it runs.
func (c *Controller) Failed() error { return c.process.ended() }

// PID of the controller.
func (c *Controller) PID() int { return c.process.command.Process.Pid }

// freePorts finds free ports by binding them for a moment.
func freePorts() (one, other, third string, err error) {
	var found []string
	for range 3 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", "", fmt.Errorf("finding a free port: %w", err)
		}
		defer listener.Close()
		found = append(found, listener.Addr().String())
	}
	return found[0], found[1], found[2], nil
}
