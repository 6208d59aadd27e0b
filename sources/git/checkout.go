package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"fairlead.dev/fairlead/sources"
)

// Checkout is a Git repository on this machine, whose files are read. Nothing is written to it, and nothing is fetched.
// Many goroutines may use it.
type Checkout struct {
	repository *gogit.Repository
	// root is the directory of the work tree.
	root string
	// mu guards the storage, which is not made for many readers.
	mu sync.Mutex
}

// OpenCheckout opens the repository that a directory is in.
func OpenCheckout(dir string) (*Checkout, error) {
	options := &gogit.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true}
	repository, err := gogit.PlainOpenWithOptions(dir, options)
	if errors.Is(err, gogit.ErrRepositoryNotExists) {
		return nil, fmt.Errorf("%s is in no Git repository", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the Git repository of %s: %w", dir, err)
	}

	tree, err := repository.Worktree()
	if err != nil {
		return nil, fmt.Errorf("open the Git repository of %s, which has no work tree: %w", dir, err)
	}

	return &Checkout{repository: repository, root: tree.Filesystem.Root()}, nil
}

// Root is the directory of the work tree.
func (c *Checkout) Root() string { return c.root }

// Has reports whether a URL is that of a remote of the repository, whatever its protocol.
func (c *Checkout) Has(url string) bool {
	remotes, err := c.repository.Remotes()
	if err != nil {
		return false
	}

	for _, remote := range remotes {
		for _, own := range remote.Config().URLs {
			if place := placeOf(own); place != "" && place == placeOf(url) {
				return true
			}
		}
	}

	return false
}

// placeOf is the host and the path of the URL of a repository; empty for what is no URL. A user, a port, a password and
// the suffix .git do not count: a runner may clone over HTTPS what the cluster fetches over SSH.
func placeOf(raw string) string {
	raw = strings.TrimSpace(raw)
	var host, rest string
	if _, after, is := strings.Cut(raw, "://"); is {
		host, rest, _ = strings.Cut(after, "/")
	} else if host, rest, is = strings.Cut(raw, ":"); !is || strings.Contains(host, "/") {
		return ""
	}

	host = host[strings.LastIndexByte(host, '@')+1:]
	host, _, _ = strings.Cut(host, ":")
	rest = strings.TrimSuffix(strings.Trim(path.Clean("/"+rest), "/"), ".git")
	if host == "" || rest == "" {
		return ""
	}

	return strings.ToLower(host) + "/" + rest
}

// Commit finds the commit that a reference stands for: what git understands, or else a branch of the remote origin.
func (c *Checkout) Commit(ref string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{ref, "refs/remotes/origin/" + ref} {
		found, err := c.repository.ResolveRevision(plumbing.Revision(name))
		if err == nil && c.repository.Storer.HasEncodedObject(*found) == nil {
			return found.String(), nil
		}
	}

	text := fmt.Sprintf("the Git repository %s has no commit %q", c.root, ref)
	if sources.IsCommit(ref) {
		return "", fmt.Errorf("%s; fetch it: git fetch origin %s", text, ref)
	}

	return "", fmt.Errorf("%s; fetch it: git fetch origin %s:refs/remotes/origin/%s", text, ref, ref)
}

// stored are the objects of a repository on disk.
type stored struct{ checkout *Checkout }

func (s stored) object(h plumbing.Hash) (plumbing.EncodedObject, error) {
	s.checkout.mu.Lock()
	defer s.checkout.mu.Unlock()
	found, err := s.checkout.repository.Storer.EncodedObject(plumbing.AnyObject, h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("the Git repository %s lacks object %s; clone it without --filter", s.checkout.root, h)
	}
	if err != nil || found.Size() <= maxCopied {
		return inMemory(found, err)
	}

	return found, nil
}

// maxCopied is how large an object may be that is copied while the storage is locked, in bytes.
const maxCopied = 8 << 20

// inMemory reads an object whole, so that it can be read again without its storage.
func inMemory(found plumbing.EncodedObject, err error) (plumbing.EncodedObject, error) {
	if err != nil {
		return nil, err
	}

	reader, err := found.Reader()
	if err != nil {
		return nil, err
	}

	defer reader.Close()
	copied := &plumbing.MemoryObject{}
	copied.SetType(found.Type())
	_, err = io.Copy(copied, reader)
	return copied, err
}

func (s stored) directory(h plumbing.Hash) (*object.Tree, error) {
	encoded, err := s.object(h)
	if err != nil {
		return nil, err
	}
	t := &object.Tree{}
	if err := t.Decode(encoded); err != nil {
		return nil, fmt.Errorf("read directory %s of the Git repository %s: %w", h, s.checkout.root, err)
	}
	return t, nil
}

// LocalTree is all files of a commit, or of the work tree. Many goroutines may use it.
type LocalTree struct {
	// Revision names what it is the tree of.
	Revision string
	files    []treeFile
	// modules are directories that belong to other repositories, whose files are not in the tree.
	modules []string
	what    string

	// named are the files by their paths, once one was asked for.
	once  sync.Once
	named map[string]treeFile
}

// Modules are the directories of submodules, whose files the tree lacks.
func (t *LocalTree) Modules() []string { return t.modules }

// At is the tree of a commit.
func (c *Checkout) At(ctx context.Context, commit string) (*LocalTree, error) {
	from := stored{c}
	encoded, err := from.object(plumbing.NewHash(commit))
	if err != nil {
		return nil, err
	}

	found := &object.Commit{}
	if err := found.Decode(encoded); err != nil {
		return nil, fmt.Errorf("read commit %s of the Git repository %s: %w", commit, c.root, err)
	}

	root, err := from.directory(found.TreeHash)
	if err != nil {
		return nil, err
	}

	what := "reading commit " + commit + " of the Git repository " + c.root
	walk := &walker{ctx: ctx, from: from, limits: Limits{}.withDefaults(), what: what}
	if err := walk.directory(root, "", 0); err != nil {
		return nil, err
	}

	out := &LocalTree{Revision: Revision{Commit: commit}.String(), files: walk.files, what: what}
	for _, module := range walk.modules {
		out.modules = append(out.modules, module.path)
	}

	return out, nil
}

// Write writes the content as a tar.gz, as Remote.Fetch does. Submodules are left out.
func (t *LocalTree) Write(ctx context.Context, content Content, w io.Writer) error {
	walk := &walker{ctx: ctx, limits: Limits{}.withDefaults(), what: t.what, directories: content.Directories}
	for _, f := range t.files {
		if _, inside := walk.wanted(parentOf(f.path)); inside {
			walk.files = append(walk.files, f)
		}
	}
	if err := walk.leaveOut(content.Ignore); err != nil {
		return err
	}
	return walk.archive(w)
}

// parentOf is the directory of a file, empty for the root.
func parentOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}
