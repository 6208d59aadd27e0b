package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-billy/v5/util"
	"github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Repository is a branch of a Git repository that is written to over HTTP(S) or SSH.
type Repository struct {
	URL, Branch string
	// Username and Token sign in over HTTP(S); without a token access is anonymous. The username is git when left out.
	Username, Token string
	// Key signs in over SSH; nil otherwise.
	Key *Key
}

// Commit describes what is written.
type Commit struct {
	Message, Author, Email string
	Now                    func() time.Time
}

const remoteName = "origin"

// pushes is how often a push is tried when others push at the same time.
const pushes = 3

// Check reports why the repository cannot be used: its address, or the way to sign in.
func (r Repository) Check() error {
	if err := CheckAddress(r.URL); err != nil {
		return err
	}

	overSSH := strings.HasPrefix(r.URL, sshScheme+"://")
	switch {
	case overSSH && r.Key == nil:
		return errors.New("a repository over ssh needs a private key")
	case !overSSH && r.Key != nil:
		return errors.New("a private key is for repositories over ssh, as ssh://git@git.example.com/org/fleet")
	}

	return nil
}

// CheckAddress reports why an address cannot be that of a Git repository. Credentials do not belong into it.
func CheckAddress(address string) error {
	u, err := parseURL(address)
	switch {
	case err != nil:
		return err
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != sshScheme:
		return fmt.Errorf("the URL of the repository has the scheme %q; only https, http and ssh can be used", u.Scheme)
	case hasPassword(u), u.Scheme != sshScheme && u.User != nil:
		return errors.New("the URL of the repository has credentials in it; they would be in every declaration; name a token instead")
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL of the repository is no address of a repository")
	}

	return nil
}

// shortSSH is the short form of an SSH address, as user@host:path. A password has no place in it.
var shortSSH = regexp.MustCompile(`^([A-Za-z0-9._-]+)@([A-Za-z0-9][A-Za-z0-9.-]*):/?([^/:@][^:@]*)$`)

// parseURL reads the URL of a repository. Errors do not quote a malformed one, because it may hold a password.
func parseURL(address string) (*url.URL, error) {
	if parts := shortSSH.FindStringSubmatch(address); parts != nil {
		return nil, fmt.Errorf("the URL of the repository has no scheme; use ssh://%s@%s/%s", parts[1], parts[2], parts[3])
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL of the repository is malformed; use https://host/path or ssh://git@host/path")
	}
	return u, nil
}

// Write has files at dir in the branch, and nothing else there but what was there under other names. It makes one commit and pushes it, or
// none when the files are there already; changed names them. An empty repository gets its first commit. The commit is what the branch
// is at in the end.
func (r Repository) Write(ctx context.Context, dir string, files map[string][]byte, c Commit) (commit string, changed bool, err error) {
	if err := r.Check(); err != nil {
		return "", false, err
	}
	for try := 1; ; try++ {
		commit, changed, err = r.write(ctx, dir, files, c)
		if try == pushes || !errors.Is(err, git.ErrNonFastForwardUpdate) && !errors.Is(err, errRejected) {
			return commit, changed, err
		}
	}
}

// Differs reports whether Write would make a commit. The repository is only read.
func (r Repository) Differs(ctx context.Context, dir string, files map[string][]byte) (bool, error) {
	if err := r.Check(); err != nil {
		return false, err
	}

	_, work, err := r.clone(ctx)
	if err != nil {
		return false, r.failed("reading", err)
	}

	return put(work, dir, files)
}

// errRejected: the server did not take a push, most often because another push was first.
var errRejected = errors.New("the server did not take the push")

func (r Repository) write(ctx context.Context, dir string, files map[string][]byte, c Commit) (string, bool, error) {
	repository, work, err := r.clone(ctx)
	if err != nil {
		return "", false, r.failed("reading", err)
	}

	different, err := put(work, dir, files)
	if err != nil {
		return "", false, fmt.Errorf("writing the manifests into a copy of %s: %w", r.URL, err)
	}

	if !different {
		head, err := repository.Head()
		if err != nil {
			return "", false, r.failed("reading", err)
		}

		return head.Hash().String(), false, nil
	}

	tree, err := repository.Worktree()
	if err != nil {
		return "", false, r.failed("reading", err)
	}

	for name := range files {
		if _, err := tree.Add(path.Join(dir, name)); err != nil {
			return "", false, fmt.Errorf("writing the manifests into a copy of %s: %w", r.URL, err)
		}
	}

	hash, err := tree.Commit(c.Message, &git.CommitOptions{Author: &object.Signature{Name: c.Author, Email: c.Email, When: c.Now()}})
	if err != nil {
		return "", false, fmt.Errorf("making a commit for %s: %w", r.URL, err)
	}

	name := plumbing.NewBranchReferenceName(r.Branch)
	err = repository.PushContext(ctx, &git.PushOptions{
		RemoteName: remoteName, Auth: r.auth(), RefSpecs: []gitconfig.RefSpec{gitconfig.RefSpec(name + ":" + name)},
	})
	if err != nil {
		return "", false, r.failed("pushing to", err)
	}

	return hash.String(), true, nil
}

// clone reads the newest commit of the branch into memory. A repository without any is begun.
func (r Repository) clone(ctx context.Context) (*git.Repository, billy.Filesystem, error) {
	work := memfs.New()
	name := plumbing.NewBranchReferenceName(r.Branch)
	repository, err := git.CloneContext(ctx, memory.NewStorage(), work, &git.CloneOptions{
		URL: r.URL, Auth: r.auth(), RemoteName: remoteName, ReferenceName: name, SingleBranch: true, Depth: 1, Tags: git.NoTags,
	})
	if !errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return repository, work, err
	}

	work = memfs.New()
	if repository, err = git.InitWithOptions(memory.NewStorage(), work, git.InitOptions{DefaultBranch: name}); err != nil {
		return nil, nil, err
	}

	_, err = repository.CreateRemote(&gitconfig.RemoteConfig{Name: remoteName, URLs: []string{r.URL}})
	return repository, work, err
}

func (r Repository) auth() transport.AuthMethod {
	if r.Key != nil {
		return r.Key
	}
	if r.Token == "" {
		return nil
	}
	return &http.BasicAuth{Username: r.username(), Password: r.Token}
}

func (r Repository) username() string {
	if r.Username == "" {
		return "git"
	}
	return r.Username
}

// Credentials are the content of a Secret with which the repository can be read; nil when there are none.
func (r Repository) Credentials() map[string]string {
	if r.Key != nil {
		return r.Key.secret()
	}
	if r.Token == "" {
		return nil
	}
	return map[string]string{"username": r.username(), "password": r.Token}
}

// failed says what could not be done with the repository, and what to do. The token is in none of the errors of the library.
func (r Repository) failed(doing string, err error) error {
	switch {
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrInvalidAuthMethod):
		return fmt.Errorf("%s %s: it wants credentials, or does not accept these; name a token that may read and write it", doing, r.URL)
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("%s %s: the token is not allowed to; it has to read and write the repository", doing, r.URL)
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%s %s: there is no such repository, or the token may not see it; create it first", doing, r.URL)
	case errors.As(err, &git.NoMatchingRefSpecError{}), errors.Is(err, plumbing.ErrReferenceNotFound):
		return fmt.Errorf("%s %s: it has no branch %s; create it first, or name another", doing, r.URL, r.Branch)
	case r.Key != nil && r.Key.refused() != nil:
		return fmt.Errorf("%s %s: %w", doing, r.URL, r.Key.refused())
	case r.Key != nil && strings.Contains(err.Error(), "unable to authenticate"):
		return fmt.Errorf("%s %s: the server does not take the private key; add its public half as a key that may write", doing, r.URL)
	case errors.Is(err, git.ErrNonFastForwardUpdate):
		return fmt.Errorf("%s %s: others push to branch %s all the time: %w", doing, r.URL, r.Branch, err)
	case strings.Contains(err.Error(), "command error on "):
		return fmt.Errorf("%s %s: %w: %s; is branch %s protected?", doing, r.URL, errRejected, strings.ReplaceAll(err.Error(), "\n", " "), r.Branch)
	}
	return fmt.Errorf("%s %s: %w", doing, r.URL, err)
}

// put writes files into a directory and reports whether any of them was different.
func put(work billy.Filesystem, dir string, files map[string][]byte) (different bool, err error) {
	for name, content := range files {
		file := path.Join(dir, name)
		was, err := readFile(work, file)
		switch {
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return false, err
		case err == nil && string(was) == string(content):
			continue
		}

		different = true
		if err := work.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
		if err := util.WriteFile(work, file, content, 0o644); err != nil {
			return false, err
		}
	}
	return different, nil
}

func readFile(work billy.Filesystem, name string) ([]byte, error) {
	file, err := work.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(file)
	return content, errors.Join(err, file.Close())
}
