package env

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Command prepares a program of bin/ to run against the cluster, with a home directory of the cluster's own.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	path, err := binary(name)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(filepath.Dir(c.Kubeconfig), "home")
	command := exec.CommandContext(ctx, path, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "HOME="+home,
		"HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home,
		"GOGC=400") // programs that soon end need not collect much
	return command, nil
}

// Run runs a program of bin/ against the cluster and returns what it prints and its exit code. It works at the end of a
// test, too, when the context of the test is done.
func (c *Cluster) Run(t T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	command, err := c.Command(context.WithoutCancel(t.Context()), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// MustRun is Run of a program that has to succeed, and returns its output.
func (c *Cluster) MustRun(t T, name string, args ...string) string {
	t.Helper()
	out, errs, code := c.Run(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %s ended with %d:\n%s%s", name, strings.Join(args, " "), code, out, errs)
	}
	return out
}
