package env

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// RunSuite starts a control plane with Fairlead's kinds in a new directory, has a suite of tests played on it, and
// returns the exit code for the process: that of the suite, 1 when something around it failed. The directory goes when
// the code is 0; otherwise it stays, for its logs.
func RunSuite(name string, play func(ctx context.Context, dir string, cluster *Cluster) (code int, err error)) int {
	return RunBareSuite(name, func(ctx context.Context, dir string, cluster *Cluster) (int, error) {
		if err := cluster.InstallCRDs(ctx); err != nil {
			return 0, err
		}
		return play(ctx, dir, cluster)
	})
}

// RunBareSuite is RunSuite without Fairlead's kinds.
func RunBareSuite(name string, play func(ctx context.Context, dir string, cluster *Cluster) (code int, err error)) int {
	code, err := runSuite(name, play)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return code
}

func runSuite(name string, play func(context.Context, string, *Cluster) (int, error)) (code int, err error) {
	dir, err := os.MkdirTemp("", "fairlead-"+name+"-")
	if err != nil {
		return 0, err
	}
	defer func() {
		if code == 0 && err == nil {
			err = os.RemoveAll(dir)
			return
		}
		fmt.Fprintln(os.Stderr, "logs are kept in", dir)
	}()
	ctx := context.Background()
	cluster, err := StartCluster(ctx, filepath.Join(dir, "cluster"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	return play(ctx, dir, cluster)
}

// WithController runs a controller on the cluster, with its log in dir, while a suite of tests is played, and returns
// the exit code of the suite. It fails when the controller does, or when it has ended before its time.
func (c *Cluster) WithController(ctx context.Context, dir string, play func() int) (code int, err error) {
	controller, err := StartController(ctx, c, dir, "--log-level", "debug")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, controller.Stop()) }()
	return play(), controller.Failed()
}
