package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repository is a work tree of the repository that the cluster follows, as a user has it.
type repository struct {
	dir string
}

// clone makes a work tree of the repository at url.
func clone(ctx context.Context, dir, url string) (*repository, error) {
	r := &repository{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"clone", "--quiet", url, "."}, {"config", "user.name", "demo"}, {"config", "user.email", "demo@example.com"},
		{"config", "commit.gpgsign", "false"},
	} {
		if err := r.git(ctx, args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// push commits files and pushes. An empty content removes a file.
func (r *repository) push(ctx context.Context, message string, files map[string]string) error {
	for name, content := range files {
		path := filepath.Join(r.dir, filepath.FromSlash(name))
		if content == "" {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700),
			os.WriteFile(path, []byte(content), 0o600)); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", message}, {"push", "--quiet"}} {
		if err := r.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// revert undoes the newest commit by another one, and pushes it.
func (r *repository) revert(ctx context.Context) error {
	if err := r.git(ctx, "revert", "--no-edit", "HEAD"); err != nil {
		return err
	}
	return r.git(ctx, "push", "--quiet")
}

// git runs git in the work tree, without the configuration of this machine.
func (r *repository) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_TERMINAL_PROMPT=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("git %s in %s: %w: %s", args[0], r.dir, err, strings.TrimSpace(out.String()))
	}
	return nil
}
