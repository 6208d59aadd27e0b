package build

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// errReadOnly is the answer to every write.
var errReadOnly = errors.New("the files of a source are not written")

// view is a tree as kustomize sees a file system: read-only, with encrypted files decrypted, with the overlay beside
// it, with what the guard made of its kustomizations, and without any file that the guard did not look at.
type view struct {
	tree    *Tree
	decrypt func(name string, content []byte, use usage) ([]byte, error)
	// marks says that variables in quotes are marked in what is read.
	marks bool
	// working is called with the name of each file before it is read.
	working func(name string)
	// rewritten are the kustomizations by resolved directory, allowed the other files that the library may read.
	rewritten map[string]rewritten
	allowed   map[string]bool
	// overlay is the kustomization.yaml of the overlay.
	overlay []byte
	// failure is why the first file was not decrypted; kustomize keeps of it only the text.
	failure error
}

var _ filesys.FileSystem = (*view)(nil)

// rewritten is a kustomization file as the library gets it.
type rewritten struct {
	name    string
	content []byte
}

func newView(
	tree *Tree, decrypt func(name string, content []byte, use usage) ([]byte, error), working func(string),
) *view {
	if working == nil {
		working = func(string) {}
	}
	return &view{
		tree: tree, decrypt: decrypt, working: working, rewritten: map[string]rewritten{}, allowed: map[string]bool{},
	}
}

// Where kustomize sees the files of the source, those that are only data, and the overlay: none may contain another.
const (
	sourceRoot  = "/source"
	plainRoot   = "/plain"
	overlayRoot = "/overlay"
)

// plainRoots are where data is seen: without a format, and by format.
var plainRoots = []string{
	plainRoot,
	plainRoot + string(formatYAML),
	plainRoot + string(formatJSON),
	plainRoot + string(formatDotenv),
	plainRoot + string(formatINI),
	plainRoot + string(formatBinary),
}

// usageOf is what the library reads a file for.
func usageOf(name string) usage {
	for _, root := range plainRoots {
		if strings.HasPrefix(name, root+"/") {
			return usage{isData: true, format: dataFormat(strings.TrimPrefix(root, plainRoot))}
		}
	}
	return usage{}
}

// errUnchecked says that the library wants a file that no kustomization names.
var errUnchecked = errors.New("no kustomization names this file, so the build cannot have it")

// inside returns a path as the tree knows it, and whether it is one of the overlay. Names that the tree knows may be
// given as well.
func inside(name string) (at string, isOverlay bool) {
	name = filepath.ToSlash(name)
	if !path.IsAbs(name) {
		return name, false
	}

	// Not cleaned: a link on the way counts.
	for _, root := range append([]string{sourceRoot}, plainRoots...) {
		if rest, is := strings.CutPrefix(name, root); is && (rest == "" || rest[0] == '/') {
			return "./" + rest, false
		}
	}

	if clean := path.Clean(name); clean == overlayRoot || strings.HasPrefix(clean, overlayRoot+"/") {
		return clean, true
	}

	return "../" + name, false // outside, which resolve says
}

// Exists implements filesys.FileSystem.
func (v *view) Exists(name string) bool { return v.isFile(name) || v.IsDir(name) }

func (v *view) isFile(name string) bool {
	at, isOverlay := inside(name)
	if isOverlay {
		return at == overlayRoot+"/kustomization.yaml" && v.overlay != nil
	}
	return v.tree.isFile(at)
}

// IsDir implements filesys.FileSystem.
func (v *view) IsDir(name string) bool {
	at, isOverlay := inside(name)
	if isOverlay {
		return at == overlayRoot
	}
	return v.tree.isDir(at)
}

// ReadFile implements filesys.FileSystem.
func (v *view) ReadFile(name string) ([]byte, error) {
	at, isOverlay := inside(name)
	if isOverlay {
		if !v.isFile(name) {
			return nil, fs.ErrNotExist
		}
		return v.overlay, nil
	}

	if path.IsAbs(name) {
		if content, err := v.checked(name, at); content != nil || err != nil {
			return content, err
		}
	}

	v.working(path.Clean(at))
	content, err := v.tree.file(at)
	if err != nil {
		return nil, err
	}

	use := usageOf(name)
	plain, err := v.decrypt(path.Clean(at), content, use)
	if err != nil && v.failure == nil {
		v.failure = err
	}
	if err != nil || use.isData {
		return plain, err
	}

	return v.marked(plain), nil
}

// marked marks variables in quotes, when there will be a substitution.
func (v *view) marked(content []byte) []byte {
	if !v.marks {
		return content
	}
	return markQuoted(content)
}

// checked returns what the library gets in place of a kustomization file; nil when it may have the file as it is.
func (v *view) checked(name, at string) ([]byte, error) {
	resolved, err := v.tree.resolve(at)
	if err != nil {
		return nil, err
	}

	if !usageOf(name).isData && slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(at)) {
		dir, err := v.tree.resolve(path.Dir(at))
		if err != nil {
			return nil, err
		}
		if found, is := v.rewritten[dir]; is && found.name == path.Base(at) {
			return found.content, nil
		}

		return nil, fs.ErrNotExist
	}

	if !v.allowed[resolved] && !v.tree.isDir(resolved) {
		return nil, errUnchecked
	}

	return nil, nil
}

// ReadDir implements filesys.FileSystem.
func (v *view) ReadDir(name string) ([]string, error) {
	if !v.IsDir(name) {
		return nil, fs.ErrNotExist
	}
	at, isOverlay := inside(name)
	if isOverlay {
		return []string{"kustomization.yaml"}, nil
	}
	return v.tree.list(at), nil
}

// CleanedAbs implements filesys.FileSystem.
func (v *view) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	absolute, isOverlay := inside(name)
	if !isOverlay {
		resolved, err := v.tree.resolve(absolute)
		if err != nil {
			return "", "", broken(name, "%w", err)
		}

		absolute = path.Join(sourceRoot, resolved)
	}

	switch {
	case v.IsDir(absolute):
		return filesys.ConfirmedDir(absolute), "", nil
	case v.isFile(absolute):
		dir := path.Dir(absolute)
		return filesys.ConfirmedDir(dir), path.Base(absolute), nil
	default:
		return "", "", broken(strings.TrimPrefix(name, sourceRoot+"/"), "the source has no such file or directory")
	}
}

// Glob implements filesys.FileSystem.
func (v *view) Glob(string) ([]string, error) { return nil, errReadOnly }

// Walk implements filesys.FileSystem.
func (v *view) Walk(string, filepath.WalkFunc) error { return errReadOnly }

// Open implements filesys.FileSystem.
func (v *view) Open(string) (filesys.File, error) { return nil, errReadOnly }

// Create implements filesys.FileSystem.
func (v *view) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir implements filesys.FileSystem.
func (v *view) Mkdir(string) error { return errReadOnly }

// MkdirAll implements filesys.FileSystem.
func (v *view) MkdirAll(string) error { return errReadOnly }

// RemoveAll implements filesys.FileSystem.
func (v *view) RemoveAll(string) error { return errReadOnly }

// WriteFile implements filesys.FileSystem.
func (v *view) WriteFile(string, []byte) error { return errReadOnly }
