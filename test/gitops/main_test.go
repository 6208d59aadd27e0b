// Package gitops tests how Fairlead comes into a cluster, how the cluster follows a repository from then on, and how
// Fairlead leaves it: the commands install, bootstrap, check and uninstall, and the sample repository, against a
// control plane of their own and real Git servers.
//
// The tests change the whole cluster, so they are played one after the other.
package gitops

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

const (
	user  = "writer"
	token = "correct-horse-battery"
	image = "registry.example.com/fairlead:v1"
)

// world is what the tests share.
var world struct {
	dir      string
	cluster  *env.Cluster
	git      *servers.Git
	private  *servers.Git // wants a user name and a token
	registry *servers.RegistryServer
}

func TestMain(m *testing.M) {
	os.Exit(env.RunBareSuite("gitops", func(ctx context.Context, dir string, cluster *env.Cluster) (code int, err error) {
		world.dir, world.cluster = dir, cluster
		if world.git, err = servers.GitServer(filepath.Join(dir, "git"), servers.Options{}); err != nil {
			return 0, err
		}
		if world.private, err = servers.GitServer(filepath.Join(dir, "private"),
			servers.Options{Username: user, Password: token}); err != nil {
			return 0, err
		}
		if world.registry, err = servers.Registry(filepath.Join(dir, "registry"), servers.Options{}); err != nil {
			return 0, err
		}
		defer func() {
			err = errors.Join(err, world.git.Close(), world.private.Close(), world.registry.Close())
		}()
		return m.Run(), nil
	}))
}

// must runs a command that has to succeed, and returns what it prints to either stream.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := world.cluster.Run(t, "fairlead", args...)
	if code != 0 {
		t.Fatalf("fairlead %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out + errs
}

// fails runs a command that has to end with a code and to say something.
func fails(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	out, errs, got := world.cluster.Run(t, "fairlead", args...)
	if got != code || !strings.Contains(out+errs, says) {
		t.Errorf("fairlead %s ended with %d instead of %d, or does not say %q:\n%s%s", strings.Join(args, " "), got, code,
			says, out, errs)
	}
}

// startInstalled runs a controller as the Deployment in the cluster says, with its arguments and its ServiceAccount,
// until the returned function is called or the test ends: the pods of the control plane for tests run no images.
func startInstalled(t *testing.T) (stop func()) {
	t.Helper()
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "fairlead-controller"},
	}
	env.Await(t, "the controller is deployed", func() bool { return world.cluster.Exists(t, deployment) })
	spec := env.Read(t, world.cluster, deployment).Spec.Template.Spec
	var args []string
	for _, arg := range spec.Containers[0].Args {
		if !slices.Contains([]string{"controller", "--leader-elect", "--cache-dir=/data"}, arg) {
			args = append(args, arg)
		}
	}
	account, err := world.cluster.As(t.Context(), install.Namespace, spec.ServiceAccountName, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	controller, err := env.StartController(t.Context(), account, t.TempDir(),
		append([]string{"--log-level", "debug"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := controller.Stop(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(controller.Log)
			lines := strings.Split(string(log), "\n")
			t.Log("the log of the controller ends with\n" + strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
		stop()
	})
	return stop
}

// remove takes Fairlead out of the cluster when the test ends.
func remove(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		out, errs, code := world.cluster.Run(t, "fairlead", "uninstall", "--yes")
		if code != 0 {
			t.Errorf("uninstall ended with %d:\n%s%s", code, out, errs)
		}
	})
}
