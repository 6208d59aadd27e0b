package build

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
)

// A tree can be used from another process, which asks for the directories and files that a build needs, one after the
// other. Most builds need a small part of their source.

// question asks a tree for one directory or one file.
type question struct {
	Dir  string `json:"dir,omitempty"`
	File string `json:"file,omitempty"`
}

// listing is the answer about a directory.
type listing struct {
	// Exists is false when the tree has no such directory.
	Exists bool     `json:"exists,omitempty"`
	Names  []string `json:"names,omitempty"`
	// Links are targets of symbolic links by name. Files and Large name what is a file, and what was left out for its
	// size.
	Links map[string]string `json:"links,omitempty"`
	Files []string          `json:"files,omitempty"`
	Large []string          `json:"large,omitempty"`
}

// Answer answers a question that a remote tree asks in another process.
func (t *Tree) Answer(asked []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(asked, &q); err != nil {
		return nil, fmt.Errorf("reading a question about the files of the source: %w", err)
	}

	if q.File != "" {
		content, is := t.files[q.File]
		if !is {
			return nil, fmt.Errorf("the source has no file %.200q", q.File)
		}

		return content, nil
	}

	return json.Marshal(t.listing(q.Dir))
}

func (t *Tree) listing(dir string) listing {
	names, is := t.dirs[dir]
	out := listing{Exists: is, Names: names, Links: map[string]string{}}
	for _, name := range names {
		full := path.Join(dir, name)
		if target, is := t.links[full]; is {
			out.Links[name] = target
		}
		if _, is := t.files[full]; is {
			out.Files = append(out.Files, name)
		}
		if t.large[full] {
			out.Large = append(out.Large, name)
		}
	}

	return out
}

// remoteTree returns a tree of another process, whose Answer is behind ask. It is for one build: it must not be used by
// several goroutines.
func remoteTree(ask func(question []byte) ([]byte, error)) *Tree {
	t := newTree()
	t.ask = ask
	return t
}

// entries returns the names in a directory, which has no link on its way, and whether it exists.
func (t *Tree) entries(dir string) ([]string, bool) {
	t.load(dir)
	names, is := t.dirs[dir]
	return names, is && names != nil
}

// link returns the target of a symbolic link.
func (t *Tree) link(name string) (target string, is bool) {
	t.load(path.Dir(name))
	target, is = t.links[name]
	return target, is
}

// has reports whether there is a file, which has no link on its way.
func (t *Tree) has(name string) bool {
	t.load(path.Dir(name))
	_, is := t.files[name]
	return is
}

func (t *Tree) isLarge(name string) bool {
	t.load(path.Dir(name))
	return t.large[name]
}

// content returns the content of a file, which has no link on its way, and whether there is such a file.
func (t *Tree) content(name string) (content []byte, is bool, err error) {
	t.load(path.Dir(name))
	content, is = t.files[name]
	if content != nil || !is || t.ask == nil {
		return content, is, nil
	}

	asked, err := json.Marshal(question{File: name})
	if err != nil {
		return nil, false, err
	}
	if content, err = t.ask(asked); err != nil {
		return nil, false, t.unanswered(err)
	}
	if content == nil {
		content = []byte{}
	}

	t.files[name] = content
	return content, true, nil
}

// load asks for a directory that is not known yet. Directories that do not exist are remembered without names.
func (t *Tree) load(dir string) {
	if t.ask == nil || t.failure != nil {
		return
	}
	if _, known := t.dirs[dir]; known {
		return
	}

	if names, known := t.dirs[path.Dir(dir)]; known && dir != "." {
		_, named := slices.BinarySearch(names, path.Base(dir))
		if _, isFile := t.files[dir]; isFile || !named {
			t.dirs[dir] = nil
			return
		}
	}

	asked, err := json.Marshal(question{Dir: dir})
	if err == nil {
		asked, err = t.ask(asked)
	}

	var found listing
	if err == nil {
		err = json.Unmarshal(asked, &found)
	}
	if err != nil {
		_ = t.unanswered(err)
		return
	}

	t.keep(dir, found)
}

func (t *Tree) keep(dir string, found listing) {
	t.dirs[dir] = nil
	if found.Exists {
		t.dirs[dir] = append([]string{}, found.Names...)
	}

	for name, target := range found.Links {
		t.links[path.Join(dir, name)] = target
	}

	for _, name := range found.Files {
		t.files[path.Join(dir, name)] = nil
	}

	for _, name := range found.Large {
		t.large[path.Join(dir, name)] = true
	}
}

// unanswered remembers a question without an answer: the build fails for it, whatever it makes of what is missing.
func (t *Tree) unanswered(err error) error {
	err = fmt.Errorf("reading the files of the source: %w", err)
	if t.failure == nil {
		t.failure = err
	}
	return err
}
