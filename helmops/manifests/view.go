package manifests

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// errReadOnly is the answer to every write.
var errReadOnly = errors.New("the files of a source are not written")

// view is a tree as kustomize sees a file system: read-only, with encrypted files decrypted, and with the overlay beside it.
type view struct {
	tree    *Tree
	decrypt func(name string, content []byte) ([]byte, error)
	// overlay is the kustomization.yaml of the overlay.
	overlay []byte
	// failure is why the first file was not decrypted; kustomize keeps of it only the text.
	failure error
}

var _ filesys.FileSystem = (*view)(nil)

// Where kustomize sees the files of the source, and the overlay beside them: neither may contain the other.
const (
	sourceRoot  = "/source"
	overlayRoot = "/overlay"
)

// inside returns a path as the tree knows it, and whether it is one of the overlay. Names that the tree knows may be given as well.
func inside(name string) (at string, isOverlay bool) {
	name = filepath.ToSlash(name)
	if !path.IsAbs(name) {
		return name, false
	}
	// Not cleaned: a link on the way counts.
	if rest, is := strings.CutPrefix(name, sourceRoot); is && (rest == "" || rest[0] == '/') {
		return "./" + rest, false
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
	content, err := v.tree.file(at)
	if err != nil {
		return nil, err
	}
	plain, err := v.decrypt(path.Clean(at), content)
	if err != nil && v.failure == nil {
		v.failure = err
	}
	return plain, err
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
func (v *view) Glob(pattern string) ([]string, error) {
	pattern, _ = inside(pattern)
	pattern = path.Clean(pattern)
	var found []string
	for name := range v.tree.files {
		is, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if is {
			found = append(found, path.Join(sourceRoot, name))
		}
	}
	return found, nil
}

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
