// Package integration tests Fairlead as a whole: the real binary against a real Kubernetes control plane, a real OCI
// registry, a real Git server, a real server of buckets and a real chart repository, all on the loopback address.
//
// One controller with a single worker serves every test, so each of them shows, by the way, that nothing holds the
// worker. Tests keep to namespaces of their own. Those that stop the controller are not parallel.
package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// patience bounds every wait.
const patience = env.Patience

// world is what the tests share.
var world struct {
	dir        string
	cluster    *env.Cluster
	controller *env.Controller
	registry   *servers.RegistryServer
	private    *servers.RegistryServer // wants a user name and a password
	git        *servers.Git
	buckets    *servers.Buckets
}

// Credentials of the private servers.
const (
	user     = "reader"
	password = "correct-horse-battery"
)

func TestMain(m *testing.M) {
	os.Exit(env.RunSuite("integration", func(ctx context.Context, dir string, cluster *env.Cluster) (code int, err error) {
		world.dir, world.cluster = dir, cluster
		if err := startUpstream(); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, world.buckets.Close()) }()
		if err := startController(ctx); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, world.controller.Stop()) }()
		return m.Run(), world.controller.Failed()
	}))
}

func startController(ctx context.Context) error {
	started, err := env.StartController(ctx, world.cluster, world.dir, "--concurrency", "1", "--log-level", "debug")
	if err == nil {
		world.controller = started
	}
	return err
}

func startUpstream() (err error) {
	if err = os.MkdirAll(filepath.Join(world.dir, "private"), 0o700); err != nil {
		return err
	}
	if world.registry, err = servers.Registry(filepath.Join(world.dir, "registry"), servers.Options{}); err != nil {
		return err
	}
	world.private, err = servers.Registry(filepath.Join(world.dir, "private"),
		servers.Options{Username: user, Password: password})
	if err != nil {
		return err
	}
	if world.git, err = servers.GitServer(filepath.Join(world.dir, "git"), servers.Options{}); err != nil {
		return err
	}
	world.buckets, err = servers.BucketServer(filepath.Join(world.dir, "buckets"), servers.Options{})
	return err
}
