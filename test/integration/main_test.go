// Package integration tests Fairlead as a whole: the real binary against a real Kubernetes control plane, a real OCI
// registry, a real Git server, a real server of buckets and a real chart repository, all on the loopback address.
//
// One controller with a single worker serves every test, so each of them shows, by the way, that nothing holds the worker.
// Tests keep to namespaces of their own. Those that stop the controller are not parallel.
package integration

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead/test/stage"
	"fairlead.dev/fairlead/test/upstream"
)

// patience bounds every wait.
const patience = stage.Patience

// world is what the tests share.
var world struct {
	dir        string
	cluster    *stage.Cluster
	controller *stage.Controller
	registry   *upstream.RegistryServer
	private    *upstream.RegistryServer // wants a user name and a password
	git        *upstream.Git
	buckets    *upstream.Buckets
}

// Credentials of the private servers.
const (
	user     = "reader"
	password = "correct-horse-battery"
)

func TestMain(m *testing.M) {
	os.Exit(stage.RunSuite("integration", func(ctx context.Context, dir string, cluster *stage.Cluster) (code int, err error) {
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
	started, err := stage.StartController(ctx, world.cluster, world.dir, "--concurrency", "1", "--log-level", "debug")
	if err == nil {
		world.controller = started
	}
	return err
}

func startUpstream() (err error) {
	if err = os.MkdirAll(filepath.Join(world.dir, "private"), 0o700); err != nil {
		return err
	}
	if world.registry, err = upstream.Registry(filepath.Join(world.dir, "registry"), upstream.Options{}); err != nil {
		return err
	}
	world.private, err = upstream.Registry(filepath.Join(world.dir, "private"), upstream.Options{Username: user, Password: password})
	if err != nil {
		return err
	}
	if world.git, err = upstream.GitServer(filepath.Join(world.dir, "git"), upstream.Options{}); err != nil {
		return err
	}
	world.buckets, err = upstream.BucketServer(filepath.Join(world.dir, "buckets"), upstream.Options{})
	return err
}
