// Package attacks lets a tenant try what it may not do: reach the network or the files of the controller, change,
// read or stop what belongs to
// its neighbour, or use up what all share. The real binary runs against a real control plane.
//
// One controller serves all attacks. It has the rights of a cluster administrator, so that whatever it did with its
// own rights instead of the
// tenant's would succeed. The tenant has the role edit and the kinds of Fairlead in one namespace, creates everything
// as itself, and owns a
// chart repository, a Git server, a proxy and an API server. Its neighbour installs, upgrades and uninstalls releases
// all the time.
package attacks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// tenancy is how the controller is started for a cluster with tenants. The upstreams of the tests are on the loopback
// address 127.0.0.1; what must not be reached is on another, internalAddress. The least interval is the usual one
// again, and a share of the cache is so small that a test can fill it.
var tenancy = []string{
	"--tenancy", "strict", "--allow-upstream-cidrs", "127.0.0.1/32", "--min-interval", "10s", "--cache-share", "64Mi",
}

// Limits of the controller, as charts/fairlead sets them for its pod.
const (
	memoryLimit = 1024 // MiB, together with child processes
	goMemLimit  = "870MiB"
)

// world is what the attacks share.
var world struct {
	dir      string
	cluster  *env.Cluster
	tenant   *env.Cluster // with the tenant's rights
	git      *servers.Git // the tenant's
	listener *listener
	programs string // records the calls of programs that the controller starts
	neighbor *neighbor

	controller *env.Controller
	memory     *env.MemoryWatch
}

func TestMain(m *testing.M) {
	os.Exit(env.RunSuite("attacks", func(ctx context.Context, dir string, cluster *env.Cluster) (code int, err error) {
		world.dir, world.cluster = dir, cluster
		if world.git, err = servers.GitServer(filepath.Join(dir, "git"), servers.Options{}); err != nil {
			return 0, err
		}
		if world.listener, err = listen(); err != nil {
			return 0, err
		}
		defer world.listener.Close()
		if err := errors.Join(recordPrograms(), os.WriteFile(secretFile(), []byte(internal), 0o600)); err != nil {
			return 0, err
		}
		if err := prepareTenant(ctx); err != nil {
			return 0, err
		}
		if err := startController(ctx); err != nil {
			return 0, err
		}
		defer func() {
			world.memory.Stop()
			err = errors.Join(err, world.controller.Stop())
		}()
		if world.neighbor, err = moveIn(ctx); err != nil {
			return 0, err
		}
		defer world.neighbor.moveOut()
		return m.Run(), nil
	}))
}

// startController starts it with a PATH on which programs are recorded, and watches its memory.
func startController(ctx context.Context) error {
	path := os.Getenv("PATH")
	if err := errors.Join(os.Setenv("PATH", world.programs+":"+path), os.Setenv("GOMEMLIMIT", goMemLimit)); err != nil {
		return err
	}
	defer func() {
		_ = os.Setenv("PATH", path)
		_ = os.Unsetenv("GOMEMLIMIT")
	}()
	started, err := env.StartController(ctx, world.cluster, world.dir, tenancy...)
	if err != nil {
		return err
	}
	world.controller = started
	world.memory = env.WatchMemory(started.PID(), memoryLimit)
	return nil
}

// recordPrograms makes a directory with programs that write down how they are called and fail.
func recordPrograms() error {
	world.programs = filepath.Join(world.dir, "programs")
	if err := os.MkdirAll(world.programs, 0o700); err != nil {
		return err
	}
	script := "#!/bin/sh\necho \"$0 $*\" >> " + calls() + "\nexit 1\n"
	for _, name := range []string{"git", "helm", "ssh", "curl", "touch"} {
		if err := os.WriteFile(filepath.Join(world.programs, name), []byte(script), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// calls is the file that programs write to.
func calls() string { return filepath.Join(world.dir, "calls") }

// secretFile is a file that only the controller can read.
func secretFile() string { return filepath.Join(world.dir, "internal.json") }
