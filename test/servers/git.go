package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Git is a Git server: git's own http-backend over plain HTTP.
type Git struct {
	*server
	root string
	home string
	git  string

	mu      sync.Mutex
	commits int
}

// File is one file of a commit.
type File struct {
	Content string
	// Executable sets the mode 0755.
	Executable bool
	// Link makes the file a symbolic link to Content.
	Link bool
	// Module makes the file a submodule at the commit that Content names.
	Module bool
	// Delete removes the file.
	Delete bool
}

// firstCommit is when the first commit of a server is said to be made; each further one is a second later, so that the
// same steps give the same commits.
var firstCommit = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// GitServer starts a Git server whose repositories are below dir. It needs the git binary, and does not read this
// machine's configuration of it.
func GitServer(dir string, o Options) (*Git, error) {
	binary, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("looking for git: %w", err)
	}
	g := &Git{root: filepath.Join(dir, "repositories"), home: filepath.Join(dir, "home"), git: binary}
	if err := errors.Join(os.MkdirAll(g.root, 0o700), os.MkdirAll(g.home, 0o700)); err != nil {
		return nil, fmt.Errorf("creating the directories of the Git server: %w", err)
	}
	g.server, err = start(o, true, &cgi.Handler{
		Path:   binary,
		Args:   []string{"http-backend"},
		Root:   "/",
		Env:    append(g.env(), "GIT_PROJECT_ROOT="+g.root, "GIT_HTTP_EXPORT_ALL=1"),
		Stderr: io.Discard,
		Logger: log.New(io.Discard, "", 0),
	})
	return g, err
}

func (g *Git) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + g.home,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_AUTHOR_NAME=upstream", "GIT_AUTHOR_EMAIL=upstream@example.com",
		"GIT_COMMITTER_NAME=upstream", "GIT_COMMITTER_EMAIL=upstream@example.com",
		"GIT_AUTHOR_DATE=" + firstCommit.Format(time.RFC3339), "GIT_COMMITTER_DATE=" + firstCommit.Format(time.RFC3339),
	}
}

// URL of a repository, whether it exists or not.
func (g *Git) URL(name string) string { return g.base() + "/" + name + ".git" }

// Create makes an empty repository whose default branch is main, and returns its URL. A name may hold slashes.
func (g *Git) Create(name string) (string, error) {
	path := g.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if _, err := g.run("", nil, "init", "--quiet", "--bare", "--initial-branch=main", path); err != nil {
		return "", err
	}
	return g.URL(name), g.Config(name, "http.receivepack", "true")
}

// Config sets an option of a repository, for example uploadpack.allowFilter.
func (g *Git) Config(name, key, value string) error {
	_, err := g.run(g.path(name), nil, "config", key, value)
	return err
}

// Commit adds a commit to a branch, which is created when it is not there, and returns its hash. Files that are not
// named stay; an empty content removes a file.
func (g *Git) Commit(name, branch string, files map[string]string, message string) (string, error) {
	all := map[string]File{}
	for path, content := range files {
		all[path] = File{Content: content, Delete: content == ""}
	}
	return g.CommitFiles(name, branch, all, message)
}

// CommitFiles is Commit for files of any mode.
func (g *Git) CommitFiles(name, branch string, files map[string]File, message string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ref := "refs/heads/" + branch
	var in bytes.Buffer
	g.commits++
	at := firstCommit.Add(time.Duration(g.commits) * time.Second).Unix()
	fmt.Fprintf(&in, "commit %s\ncommitter upstream <upstream@example.com> %d +0000\ndata %d\n%s\n", ref, at, len(message),
		message)
	if _, err := g.run(g.path(name), nil, "rev-parse", "--verify", "--quiet", ref); err == nil {
		fmt.Fprintf(&in, "from %s^0\n", ref)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f := files[path]
		if f.Delete {
			fmt.Fprintf(&in, "D %s\n", path)
			continue
		}
		if f.Module {
			fmt.Fprintf(&in, "M 160000 %s %s\n", f.Content, path)
			continue
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", f.mode(), path, len(f.Content), f.Content)
	}
	if _, err := g.run(g.path(name), &in, "fast-import", "--quiet"); err != nil {
		return "", err
	}
	return g.Head(name, branch)
}

func (f File) mode() string {
	switch {
	case f.Link:
		return "120000"
	case f.Executable:
		return "100755"
	}
	return "100644"
}

// Head returns the commit that a branch, a tag or another reference points at.
func (g *Git) Head(name, ref string) (string, error) {
	return g.run(g.path(name), nil, "rev-parse", "--verify", ref+"^{commit}")
}

// Tag names a commit or branch. With a message the tag is an annotated one.
func (g *Git) Tag(name, tag, target, message string) error {
	args := []string{"tag", "--force", tag, target}
	if message != "" {
		args = []string{"tag", "--force", "--annotate", "--message", message, tag, target}
	}
	_, err := g.run(g.path(name), nil, args...)
	return err
}

// SetRef points any reference, by its full name, at a commit; an empty commit removes it.
func (g *Git) SetRef(name, ref, commit string) error {
	args := []string{"update-ref", ref, commit}
	if commit == "" {
		args = []string{"update-ref", "-d", ref}
	}
	_, err := g.run(g.path(name), nil, args...)
	return err
}

// Object is the content of an object of a repository.
func (g *Git) Object(name, kind, hash string) (string, error) {
	return g.output(g.path(name), nil, "cat-file", kind, hash)
}

// WriteObject adds an object to a repository, as it is, and returns its hash.
func (g *Git) WriteObject(name, kind, content string) (string, error) {
	return g.run(g.path(name), strings.NewReader(content), "hash-object", "-w", "-t", kind, "--stdin")
}

func (g *Git) path(name string) string { return filepath.Join(g.root, filepath.FromSlash(name)+".git") }

// run runs git in a repository and returns what it prints, without the end of the line.
func (g *Git) run(dir string, in io.Reader, args ...string) (string, error) {
	out, err := g.output(dir, in, args...)
	return strings.TrimSpace(out), err
}

func (g *Git) output(dir string, in io.Reader, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.git, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, g.env(), in
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
