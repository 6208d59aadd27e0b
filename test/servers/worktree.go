package servers

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// WorkTree is a Git repository in a directory. The same commits have the same hashes each time.
type WorkTree struct {
	Dir        string
	repository *git.Repository
	clock      time.Time
}

// NewWorkTree makes a repository with the branch main in a directory, and with a remote origin.
func NewWorkTree(dir, remote string) (*WorkTree, error) {
	options := &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}}
	repository, err := git.PlainInitWithOptions(dir, options)
	if err != nil {
		return nil, err
	}
	_, err = repository.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{remote}})
	return &WorkTree{Dir: dir, repository: repository, clock: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}, err
}

// Write writes files; one without content is removed.
func (w *WorkTree) Write(files map[string]string) error {
	for name, content := range files {
		at := filepath.Join(w.Dir, filepath.FromSlash(name))
		if content == "" {
			if err := os.Remove(at); err != nil {
				return err
			}
			continue
		}

		err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644))
		if err != nil {
			return err
		}
	}
	return nil
}

// Commit commits everything, and returns the hash.
func (w *WorkTree) Commit(message string) (string, error) {
	tree, err := w.repository.Worktree()
	if err != nil {
		return "", err
	}
	if err := tree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return "", err
	}

	w.clock = w.clock.Add(time.Minute)
	author := &object.Signature{Name: "a", Email: "a@example.com", When: w.clock}
	hash, err := tree.Commit(message, &git.CommitOptions{Author: author})
	return hash.String(), err
}

// Switch makes a branch the current one, at the commit that is checked out when it is new.
func (w *WorkTree) Switch(branch string) error {
	tree, err := w.repository.Worktree()
	if err != nil {
		return err
	}

	name := plumbing.NewBranchReferenceName(branch)
	_, err = w.repository.Reference(name, false)
	return tree.Checkout(&git.CheckoutOptions{Branch: name, Create: errors.Is(err, plumbing.ErrReferenceNotFound)})
}

// Forget removes commits as a shallow clone lacks them: all that the named ones come from.
func (w *WorkTree) Forget(commits ...string) error {
	shallow := make([]plumbing.Hash, 0, len(commits))
	for _, commit := range commits {
		shallow = append(shallow, plumbing.NewHash(commit))
	}
	return w.forget(shallow)
}

func (w *WorkTree) forget(shallow []plumbing.Hash) error {
	for _, h := range shallow {
		commit, err := w.repository.CommitObject(h)
		if err != nil {
			return err
		}

		for _, parent := range commit.ParentHashes {
			if slices.Contains(shallow, parent) {
				continue
			}
			name := parent.String()
			err := os.Remove(filepath.Join(w.Dir, ".git", "objects", name[:2], name[2:]))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return w.repository.Storer.SetShallow(shallow)
}
