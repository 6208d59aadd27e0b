package git

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"

	"fairlead.dev/fairlead/sources/ignore"
)

// Digest tells what a path holds: the files below a directory, or one file. It changes with every byte of it, and with
// the rules that leave files out. Below a symbolic link it is that of the whole tree.
func (t *LocalTree) Digest(name string) (string, error) {
	name = strings.Trim(path.Clean("/"+name), "/")
	var chosen []treeFile
	for _, f := range t.files {
		above := f.mode == filemode.Symlink && strings.HasPrefix(name+"/", f.path+"/")
		within := name == "" || f.path == name || strings.HasPrefix(f.path, name+"/")
		if above || within && f.mode == filemode.Symlink {
			chosen = t.files
			break
		}
		if within || path.Base(f.path) == ignore.File {
			chosen = append(chosen, f)
		}
	}

	sum := sha256.New()
	for _, f := range chosen {
		hash, err := f.contentHash()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q %s %s\n", f.path, f.mode, hash)
	}

	return hex.EncodeToString(sum.Sum(nil)), nil
}

// contentHash is the hash that Git has for the content of a file.
func (f treeFile) contentHash() (string, error) {
	disk, is := f.from.(*onDisk)
	if !is {
		return f.hash.String(), nil
	}
	hash, err := disk.contentHash(f.hash)
	return hash.String(), err
}

// File reads one file; false when there is none, or it has more than limit bytes.
func (t *LocalTree) File(name string, limit int64) ([]byte, bool) {
	t.once.Do(func() {
		t.named = make(map[string]treeFile, len(t.files))
		for _, f := range t.files {
			t.named[f.path] = f
		}
	})
	f, ok := t.named[name]
	if !ok || f.mode == filemode.Symlink {
		return nil, false
	}

	var text strings.Builder
	if err := (&walker{what: t.what}).content(f, limit, &text); err != nil {
		return nil, false
	}

	return []byte(text.String()), true
}

// Has reports whether there is a file or a directory.
func (t *LocalTree) Has(name string) bool {
	name = strings.Trim(path.Clean("/"+name), "/")
	for _, f := range t.files {
		if name == "" || f.path == name || strings.HasPrefix(f.path, name+"/") {
			return true
		}
	}
	return false
}

// Manifests are the YAML files below a directory, at most as many as are asked for.
func (t *LocalTree) Manifests(dir string, most int) []string {
	dir = strings.Trim(path.Clean("/"+dir), "/")
	var out []string
	for _, f := range t.files {
		ext := path.Ext(f.path)
		within := dir == "" || strings.HasPrefix(f.path, dir+"/")
		if !within || f.mode == filemode.Symlink || ext != ".yaml" && ext != ".yml" {
			continue
		}
		if out = append(out, f.path); len(out) >= most {
			break
		}
	}
	return out
}
