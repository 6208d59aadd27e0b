package git

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/ignore"
)

const (
	maxDepth  = 100
	maxTarget = 4096
	maxName   = 4096
)

// treeFile is one file or link of a work tree.
type treeFile struct {
	path string
	mode filemode.FileMode
	hash plumbing.Hash
	from objects
}

// objects are where the content of files is read.
type objects interface {
	// object returns a file by its hash.
	object(h plumbing.Hash) (plumbing.EncodedObject, error)
	// directory returns a tree by its hash.
	directory(h plumbing.Hash) (*object.Tree, error)
}

// walker gathers the files of a work tree within the limits.
type walker struct {
	ctx    context.Context //nolint:containedctx // it lives for one walk
	from   objects
	limits Limits
	what   string
	// directories are those that count, all when empty.
	directories []string
	files       []treeFile
	modules     []treeFile // submodules; their hash is that of a commit
	trees       int
}

// writeTree writes the work tree of a revision as a tar.gz.
func (r *Remote) writeTree(ctx context.Context, p *pack, rev Revision, w io.Writer, what string) error {
	walk := &walker{ctx: ctx, limits: r.opts.Limits, what: what, directories: r.opts.Content.Directories}
	if err := r.gather(ctx, walk, p, rev.Commit, "", 0); err != nil {
		return err
	}
	if err := walk.leaveOut(r.opts.Content.Ignore); err != nil {
		return err
	}

	return walk.archive(w)
}

// archive writes the files as a tar.gz.
func (w *walker) archive(to io.Writer) error {
	slices.SortFunc(w.files, func(a, b treeFile) int { return strings.Compare(a.path, b.path) })
	links, err := w.links()
	if err != nil {
		return err
	}

	var left []string
	for path := range links {
		if _, err := (layout{links: links}).follow(path); err != nil {
			left = append(left, path)
		}
	}

	slices.Sort(left)
	zip := gzip.NewWriter(to)
	zip.Extra = encodeLeftOut(left)
	archive := tar.NewWriter(zip)
	if err := w.write(archive, links, left); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}

	return zip.Close()
}

// gather lists the files of a commit below a prefix, and those of its submodules where they are asked for.
func (r *Remote) gather(ctx context.Context, walk *walker, p *pack, commit, prefix string, depth int) error {
	root, err := p.tree(hash(commit))
	if err != nil {
		return err
	}

	before := len(walk.modules)
	walk.from = p
	if err := walk.directory(root, prefix, 0); err != nil {
		return err
	}
	if !r.opts.Content.Submodules {
		return nil
	}

	return r.submodules(ctx, walk, prefix, walk.modules[before:], depth)
}

// leaveOut drops the files that are ignored.
func (w *walker) leaveOut(patterns *string) error {
	files := map[string][]byte{}
	for _, f := range w.files {
		if path.Base(f.path) != ignore.File || !f.mode.IsFile() || f.mode == filemode.Symlink {
			continue
		}

		var text strings.Builder
		if err := w.content(f, ignore.MaxFileBytes, &text); err != nil {
			return err
		}

		files[f.path] = []byte(text.String())
	}

	rules, err := ignore.New(patterns, files)
	if err != nil {
		return fmt.Errorf("%s: %w", w.what, err)
	}

	w.files = slices.DeleteFunc(w.files, func(f treeFile) bool { return rules.Match(f.path, false) })
	return nil
}

// wanted reports whether a directory, or one below it, or the files in it count.
func (w *walker) wanted(dir string) (below, inside bool) {
	if len(w.directories) == 0 {
		return true, true
	}

	for _, d := range w.directories {
		if dir == d || d == "" || strings.HasPrefix(dir, d+"/") {
			return true, true
		}
		below = below || dir == "" || strings.HasPrefix(d, dir+"/")
	}

	return below, false
}

func (w *walker) bad(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "%s: %s", w.what, fmt.Sprintf(format, args...))
}

func (w *walker) directory(t *object.Tree, prefix string, depth int) error {
	// A few small trees that hold each other's name many times over can describe more directories than there are atoms.
	if w.trees++; w.trees > w.limits.Files || depth > maxDepth {
		return w.bad("it has more than %d directories, or they are nested too deeply", w.limits.Files)
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}

	_, inside := w.wanted(strings.TrimSuffix(prefix, "/"))
	for _, entry := range t.Entries {
		path := prefix + entry.Name
		if !validName(entry.Name) || len(path) > maxName {
			return w.bad("it has a file with the impossible name %.200q", path)
		}

		if entry.Mode != filemode.Dir {
			if err := w.leaf(entry, path, inside); err != nil {
				return err
			}
			continue
		}

		if below, _ := w.wanted(path); !below {
			continue
		}

		sub, err := w.from.directory(entry.Hash)
		if err != nil {
			return err
		}
		if err := w.directory(sub, path+"/", depth+1); err != nil {
			return err
		}
	}

	return nil
}

// leaf takes down a file or a submodule, when it counts.
func (w *walker) leaf(entry object.TreeEntry, path string, inside bool) error {
	if entry.Mode == filemode.Submodule {
		if below, _ := w.wanted(path); below {
			w.modules = append(w.modules, treeFile{path, entry.Mode, entry.Hash, w.from})
		}
	}

	if entry.Mode.IsFile() && (inside || path == modulesFile) {
		if w.files = append(w.files, treeFile{path, entry.Mode, entry.Hash, w.from}); len(w.files) > w.limits.Files {
			return w.bad("it has more than the %d files that are allowed", w.limits.Files)
		}
	}

	return nil
}

// validName refuses names that would leave the tree or become a repository of their own.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.EqualFold(name, ".git") &&
		!strings.ContainsAny(name, "/\x00")
}

// links reads where the symbolic links point.
func (w *walker) links() (map[string]string, error) {
	links := map[string]string{}
	for _, f := range w.files {
		if f.mode != filemode.Symlink {
			continue
		}

		var target strings.Builder
		if err := w.content(f, maxTarget, &target); err != nil {
			return nil, err
		}

		links[f.path] = target.String()
	}

	return links, nil
}

func (w *walker) write(archive *tar.Writer, links map[string]string, left []string) error {
	room := w.limits.Bytes
	for _, f := range w.files {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if _, leftOut := slices.BinarySearch(left, f.path); leftOut {
			continue
		}

		header := &tar.Header{Name: f.path, Mode: 0o644, Typeflag: tar.TypeReg}
		if f.mode == filemode.Symlink {
			header.Typeflag = tar.TypeSymlink
			header.Linkname = links[f.path]
			header.Mode = 0o777
			if err := archive.WriteHeader(header); err != nil {
				return err
			}

			continue
		}

		if f.mode == filemode.Executable {
			header.Mode = 0o755
		}

		size, err := w.file(archive, header, f, room)
		if err != nil {
			return err
		}

		room -= size
	}

	return nil
}

// file writes one regular file and returns its size.
func (w *walker) file(archive *tar.Writer, header *tar.Header, f treeFile, room int64) (int64, error) {
	encoded, err := f.from.object(f.hash)
	if err != nil {
		return 0, err
	}
	if header.Size = encoded.Size(); encoded.Type() != plumbing.BlobObject || header.Size > room {
		return 0, w.bad("its files have more than the %d bytes that are allowed, or %.200q is no file", w.limits.Bytes,
			f.path)
	}
	if err := archive.WriteHeader(header); err != nil {
		return 0, err
	}

	r, err := encoded.Reader()
	if err != nil {
		return 0, invalidPack(err)
	}

	defer r.Close()
	_, err = io.Copy(archive, r)
	return header.Size, err
}

func (w *walker) content(f treeFile, limit int64, to io.Writer) error {
	encoded, err := f.from.object(f.hash)
	if err != nil {
		return err
	}
	if encoded.Type() != plumbing.BlobObject || encoded.Size() > limit {
		return w.bad("%.200q has more than %d bytes", f.path, limit)
	}

	r, err := encoded.Reader()
	if err != nil {
		return invalidPack(err)
	}

	defer r.Close()
	if _, err := io.Copy(to, r); err != nil {
		return invalidPack(err)
	}

	return nil
}
