// Package build builds the objects of a Kustomization from the files of a source. It knows no cluster.
//
//	tar.gz ─► Read ─► Tree ─┬─ kustomization.yaml ─► kustomize ─┐
//	                        └─ plain manifests ──────────────────┴─► variables ─► common metadata ─► owner ─► objects
//
// Files are in memory, and nothing outside of them can be reached: no path and no link leads out of the tree, no base
// is fetched, no program is started. Encrypted files are decrypted as they are read, or refused.
package build

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/archive"
)

// Limits bound what is read. Zero values stand for the defaults.
type Limits struct {
	// Files is how many files and links there may be, 50,000 by default.
	Files int
	// File bounds one file that is kept, 8 MiB by default. What is larger is left out: no manifest is.
	File int64
	// Bytes bounds all files together, unpacked, 256 MiB by default.
	Bytes int64
}

func (l Limits) complete() Limits {
	if l.Files == 0 {
		l.Files = 50_000
	}
	if l.File == 0 {
		l.File = 8 << 20
	}
	if l.Bytes == 0 {
		l.Bytes = 256 << 20
	}

	return l
}

const maxPath = 4096

// Tree is the files of one artifact. It is never changed once it was read, and may be used by many goroutines.
type Tree struct {
	files map[string][]byte
	links map[string]string
	// dirs are the directories with the names of what they hold, sorted. "." is the root.
	dirs map[string][]string
	// large are files that were left out for their size.
	large map[string]bool
	// ask fetches what is not here yet from a tree in another process; nil when everything is here.
	ask func(question []byte) ([]byte, error)
	// failure is the first question that was not answered.
	failure error
}

// Read unpacks a tar.gz. Entries other than files, directories and symbolic links are left out. The error says what is
// wrong with the archive; it is an *Error.
func Read(packed io.Reader, l Limits) (*Tree, error) {
	l = l.complete()
	r, err := l.open(packed)
	if err != nil {
		return nil, err
	}

	t := newTree()
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if err := t.add(h, r, l); err != nil {
			return nil, err
		}
	}

	t.index()
	return t, nil
}

// open begins to read an archive within the limits. The error is an *Error.
func (l Limits) open(packed io.Reader) (*archive.Reader, error) {
	budget := archive.Budget{
		Bytes: archive.Room(l.Bytes, l.Files), TooLarge: errors.New("it unpacks to more than is allowed"),
		Entries: l.Files, TooMany: broken("", "the archive of the source has more than %d files", l.Files),
	}
	r, err := budget.Open(packed)
	if err != nil {
		return nil, unreadable(err)
	}
	return r, nil
}

// unreadable is what is wrong with an archive as a whole.
func unreadable(err error) error {
	if known := (*Error)(nil); errors.As(err, &known) {
		return known
	}
	return broken("", "the archive of the source cannot be read: %w", err)
}

func newTree() *Tree {
	return &Tree{
		files: map[string][]byte{}, links: map[string]string{}, dirs: map[string][]string{}, large: map[string]bool{},
	}
}

func (t *Tree) add(h *tar.Header, r io.Reader, l Limits) error {
	name, inside := archive.Inside(h.Name)
	if !inside || len(name) > maxPath || strings.ContainsRune(name, 0) {
		return broken("", "the archive of the source has a file with the impossible name %.200q", h.Name)
	}

	switch h.Typeflag {
	case tar.TypeReg:
		if h.Size > l.File {
			t.large[name] = true
			return nil
		}

		content, err := io.ReadAll(io.LimitReader(r, l.File+1))
		if err != nil {
			return unreadable(err)
		}

		delete(t.links, name)
		t.files[name] = content
	case tar.TypeSymlink:
		delete(t.files, name)
		t.links[name] = h.Linkname
	}

	return nil
}

// ReadDir reads a directory of the local file system, without its .git. Links that lead out of it are left out when
// they are needed.
func ReadDir(dir string, l Limits) (*Tree, error) {
	t, err := ReadFS(os.DirFS(dir), l)
	if err != nil {
		return nil, broken(dir, "%w", err)
	}
	return t, nil
}

// ReadFS reads a file system, as ReadDir does.
func ReadFS(files fs.FS, l Limits) (*Tree, error) {
	l = l.complete()
	t := newTree()
	left := l.Bytes
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.Type()&fs.ModeSymlink != 0:
			t.links[name], err = fs.ReadLink(files, name)
			return err
		case !entry.Type().IsRegular():
			return nil
		}

		info, err := entry.Info()
		if err != nil {
			return err
		}

		if info.Size() > l.File {
			t.large[name] = true
			return nil
		}

		if left -= info.Size(); left < 0 || len(t.files) >= l.Files {
			return fmt.Errorf("it has more than %d files or %d bytes", l.Files, l.Bytes)
		}

		t.files[name], err = fs.ReadFile(files, name)
		return err
	})
	if err != nil {
		return nil, err
	}

	t.index()
	return t, nil
}

// index finds the directories.
func (t *Tree) index() {
	held := map[string]map[string]bool{".": {}}
	note := func(name string) {
		for name != "." {
			dir := path.Dir(name)
			if held[dir] == nil {
				held[dir] = map[string]bool{}
			}
			if held[dir][path.Base(name)] {
				return
			}

			held[dir][path.Base(name)] = true
			name = dir
		}
	}
	for name := range t.files {
		note(name)
	}

	for name := range t.links {
		note(name)
	}

	for name := range t.large {
		note(name)
	}

	for dir, names := range held {
		list := make([]string, 0, len(names))
		for name := range names {
			list = append(list, name)
		}

		slices.Sort(list)
		t.dirs[dir] = list
	}
}

var (
	errOutside = errors.New("it leads out of the source")
	errLoop    = errors.New("its links lead back to themselves")
)

// resolve follows every link on the way of a path, see [archive.Follow].
func (t *Tree) resolve(name string) (string, error) {
	at, err := archive.Follow(name, t.link)
	switch {
	case errors.Is(err, archive.ErrOutside):
		return "", errOutside
	case errors.Is(err, archive.ErrLoop):
		return "", errLoop
	case err == nil && at == "":
		return ".", nil
	}

	return at, err
}

// file returns the content of a file.
func (t *Tree) file(name string) ([]byte, error) {
	at, err := t.resolve(name)
	if err != nil {
		return nil, broken(name, "%w", err)
	}
	if t.isLarge(at) {
		return nil, broken(name, "it is larger than a manifest may be")
	}

	content, is, err := t.content(at)
	if err != nil {
		return nil, err
	}
	if !is {
		return nil, broken(name, "the source has no such file")
	}

	return content, nil
}

func (t *Tree) isFile(name string) bool {
	at, err := t.resolve(name)
	return err == nil && t.has(at)
}

func (t *Tree) isDir(name string) bool {
	at, err := t.resolve(name)
	if err != nil {
		return false
	}
	_, is := t.entries(at)
	return is
}

// list returns the names in a directory, sorted.
func (t *Tree) list(name string) []string {
	at, err := t.resolve(name)
	if err != nil {
		return nil
	}
	names, _ := t.entries(at)
	return names
}

// directory returns the clean form of a path that has to be a directory in the tree.
func (t *Tree) directory(name string) (string, error) {
	clean := path.Clean(strings.TrimLeft(name, "/"))
	at, err := t.resolve(clean)
	if err != nil {
		return "", &Error{reason: v1beta1.PathNotFoundReason, Path: name, err: err}
	}
	if _, is := t.entries(at); !is {
		return "", &Error{reason: v1beta1.PathNotFoundReason, Path: name, err: errors.New("the source has no such directory")}
	}
	return at, nil
}
