package git

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxUntracked bounds files that Git does not know yet, in bytes: a manifest has less, what a build leaves has more.
const maxUntracked = 1 << 20

// WorkTree is the files as they are in the directory: those that Git tracks, and those that it would add, but for large
// ones.
func (c *Checkout) WorkTree(ctx context.Context) (*LocalTree, error) {
	what := "reading the work tree " + c.root
	out := &LocalTree{Revision: "the work tree", what: what}
	tracked, err := c.tracked(out)
	if err != nil {
		return nil, err
	}

	patterns, err := gitignore.ReadPatterns(osfs.New(c.root), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: read the .gitignore files: %w", what, err)
	}

	d := &diskWalk{
		ctx: ctx, disk: newOnDisk(c.root), tracked: tracked, ignored: gitignore.NewMatcher(patterns), modules: out.modules,
	}
	if err := filepath.WalkDir(c.root, d.visit); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}

	for name := range tracked {
		if err := d.forced(name); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}

	out.files = d.files
	slices.SortFunc(out.files, func(a, b treeFile) int { return strings.Compare(a.path, b.path) })
	if most := (Limits{}).withDefaults().Files; len(out.files) > most {
		return nil, fmt.Errorf("%s: it has more than the %d files that are allowed", what, most)
	}

	return out, nil
}

// tracked are the files in the index; it takes down the submodules.
func (c *Checkout) tracked(out *LocalTree) (map[string]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	index, err := c.repository.Storer.Index()
	if err != nil {
		return nil, fmt.Errorf("read the index of the Git repository %s: %w; compare a commit by --head HEAD",
			c.root, err)
	}

	names := map[string]bool{}
	for _, entry := range index.Entries {
		if entry.Mode == filemode.Submodule {
			out.modules = append(out.modules, entry.Name)
			continue
		}
		names[entry.Name] = true
	}

	return names, nil
}

// diskWalk gathers the files of a work tree.
type diskWalk struct {
	ctx     context.Context //nolint:containedctx // it lives for one walk
	disk    *onDisk
	tracked map[string]bool
	ignored gitignore.Matcher
	modules []string
	files   []treeFile
}

func (d *diskWalk) visit(at string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if err := d.ctx.Err(); err != nil {
		return err
	}

	relative, err := filepath.Rel(d.disk.root, at)
	if err != nil {
		return err
	}

	name := filepath.ToSlash(relative)
	switch {
	case name == ".":
		return nil
	case strings.EqualFold(entry.Name(), ".git") || entry.IsDir() && d.leavesOut(name):
		if entry.IsDir() {
			return filepath.SkipDir
		}
		return nil
	case entry.IsDir():
		return nil
	}

	if !d.tracked[name] && d.ignored.Match(strings.Split(name, "/"), false) {
		return nil
	}

	return d.add(name)
}

// leavesOut reports whether no file of a directory counts, unless it is tracked.
func (d *diskWalk) leavesOut(dir string) bool {
	return slices.Contains(d.modules, dir) || d.ignored.Match(strings.Split(dir, "/"), true)
}

// forced adds a file that is tracked although its directory is ignored.
func (d *diskWalk) forced(name string) error {
	if _, known := d.disk.names[pathHash(name)]; known || !validPath(name) {
		return nil
	}
	return d.add(name)
}

func validPath(name string) bool {
	return len(name) <= maxName && !slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool {
		return !validName(s)
	})
}

// add takes down a file; one that is gone, or that is neither a file nor a link, does not count.
func (d *diskWalk) add(name string) error {
	info, err := os.Lstat(filepath.Join(d.disk.root, filepath.FromSlash(name)))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}

	mode := filemode.Regular
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		mode = filemode.Symlink
	case !info.Mode().IsRegular():
		return nil
	case info.Mode()&0o100 != 0:
		mode = filemode.Executable
	}

	if !d.tracked[name] && info.Size() > maxUntracked {
		return nil
	}

	key := pathHash(name)
	d.disk.names[key] = name
	d.files = append(d.files, treeFile{name, mode, key, d.disk})
	return nil
}

// pathHash stands for a file on disk: what it holds may change, and is read when it is needed.
func pathHash(name string) plumbing.Hash {
	return plumbing.ComputeHash(plumbing.BlobObject, []byte(name))
}

// onDisk are the files of a work tree, by the hashes of their paths.
type onDisk struct {
	root  string
	names map[plumbing.Hash]string
	mu    sync.Mutex
	// hashes are those of the content, as far as they were asked for.
	hashes map[plumbing.Hash]plumbing.Hash
}

func newOnDisk(root string) *onDisk {
	return &onDisk{root: root, names: map[plumbing.Hash]string{}, hashes: map[plumbing.Hash]plumbing.Hash{}}
}

func (d *onDisk) object(h plumbing.Hash) (plumbing.EncodedObject, error) {
	name, known := d.names[h]
	if !known {
		return nil, plumbing.ErrObjectNotFound
	}

	content, err := d.read(name)
	if err != nil {
		return nil, fmt.Errorf("read %s of the work tree: %w", name, err)
	}

	out := &plumbing.MemoryObject{}
	out.SetType(plumbing.BlobObject)
	_, err = out.Write(content)
	return out, err
}

func (d *onDisk) read(name string) ([]byte, error) {
	at := filepath.Join(d.root, filepath.FromSlash(name))
	info, err := os.Lstat(at)
	if err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(at)
		return []byte(target), err
	}

	file, err := os.OpenInRoot(d.root, filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}

	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, DefaultByteLimit+1))
	if err == nil && len(content) > DefaultByteLimit {
		err = fmt.Errorf("it has more than %d bytes", DefaultByteLimit)
	}

	return content, err
}

func (d *onDisk) contentHash(h plumbing.Hash) (plumbing.Hash, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, known := d.hashes[h]; known {
		return found, nil
	}

	content, err := d.object(h)
	if err != nil {
		return plumbing.ZeroHash, err
	}

	d.hashes[h] = content.Hash()
	return d.hashes[h], nil
}

// directory is never asked for: a work tree is gathered from the disk.
func (d *onDisk) directory(plumbing.Hash) (*object.Tree, error) {
	return nil, plumbing.ErrObjectNotFound
}
