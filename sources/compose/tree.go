package compose

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/archive"
)

// tree is what an archive holds. Symbolic links are replaced by what they lead to.
type tree struct {
	alias  string
	source Source
	limits Limits
	// regular are the files of the archive, true for those that can be executed, and links what links lead to.
	regular map[string]bool
	links   map[string]string
	// files are the paths that lead to a file, links included, with the file, and names those paths, sorted.
	files map[string]string
	names []string
	// dirs are the directories that have files.
	dirs map[string]bool
	// broken are links that lead nowhere or out of the archive, and why.
	broken map[string]error
}

// readTree lists an archive.
func readTree(alias string, source Source, l Limits) (*tree, error) {
	t := &tree{
		alias: alias, source: source, limits: l, regular: map[string]bool{}, links: map[string]string{},
		files: map[string]string{}, dirs: map[string]bool{".": true}, broken: map[string]error{},
	}
	err := t.walk(func(h *tar.Header, name string, _ io.Reader) error {
		delete(t.links, name)
		delete(t.regular, name)
		switch h.Typeflag {
		case tar.TypeReg:
			t.regular[name] = h.Mode&0o100 != 0
		case tar.TypeSymlink:
			t.links[name] = h.Linkname
		}

		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := t.expand(); err != nil {
		return nil, err
	}

	return t, nil
}

func (t *tree) bad(err error) error {
	if known := (*sources.Error)(nil); errors.As(err, &known) {
		return known
	}
	return sources.Fail(v1beta1.InvalidContentReason, err, "reading the archive of the source @%s", t.alias)
}

// walk calls f for every entry.
func (t *tree) walk(f func(h *tar.Header, name string, content io.Reader) error) error {
	opened, err := t.source()
	if err != nil {
		return fmt.Errorf("opening the artifact of the source @%s: %w", t.alias, err)
	}

	defer opened.Close()
	return walk(opened, t.limits.budget(), f, t.bad)
}

// walk calls f for every entry of a tar.gz; bad words the errors.
func walk(
	r io.Reader, budget *archive.Budget, f func(h *tar.Header, name string, content io.Reader) error,
	bad func(error) error,
) error {
	unpacked, err := budget.Open(r)
	if err != nil {
		return bad(err)
	}

	for {
		h, err := unpacked.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad(err)
		}

		name, inside := archive.Inside(h.Name)
		if !inside {
			return bad(fmt.Errorf("it has an entry with the impossible name %.200q", h.Name))
		}
		if err := f(h, name, unpacked); err != nil {
			return bad(err)
		}
	}
}

// expand finds the paths that lead to files.
func (t *tree) expand() error {
	for name := range t.regular {
		t.files[name] = name
	}

	below := t.sorted()
	for _, link := range slices.Sorted(mapKeys(t.links)) {
		if err := t.addLink(link, link, below, 0); err != nil {
			return err
		}
	}

	t.names = slices.Sorted(mapKeys(t.files))
	for _, name := range t.names {
		for dir := path.Dir(name); !t.dirs[dir]; dir = path.Dir(dir) {
			t.dirs[dir] = true
		}
	}

	return nil
}

// sorted are the files and links of the archive.
func (t *tree) sorted() []string {
	names := slices.AppendSeq(slices.Collect(mapKeys(t.regular)), mapKeys(t.links))
	slices.Sort(names)
	return names
}

// addLink adds what is behind a link under the path that leads to it. Links to directories of links multiply, so what
// they add is bounded.
func (t *tree) addLink(link, as string, all []string, depth int) error {
	target, err := archive.Follow(link, func(name string) (string, bool) {
		to, is := t.links[name]
		return to, is
	})
	switch {
	case err != nil:
		t.broken[as] = err
		return nil //nolint:nilerr // it fails only the operations that copy it
	case depth > archive.MaxHops:
		t.broken[as] = archive.ErrLoop
		return nil
	}

	if _, is := t.regular[target]; is {
		t.files[as] = target
		return t.bounded()
	}

	found := false
	for _, name := range underneath(all, target) {
		found = true
		shown := as + "/" + strings.TrimPrefix(strings.TrimPrefix(name, target), "/")
		if _, is := t.links[name]; is {
			if err := t.addLink(name, shown, all, depth+1); err != nil {
				return err
			}
			continue
		}

		t.files[shown] = name
		if err := t.bounded(); err != nil {
			return err
		}
	}

	if !found {
		t.broken[as] = errors.New("it leads to nothing")
	}

	return nil
}

func (t *tree) bounded() error {
	if len(t.files)+len(t.broken) > t.limits.Entries {
		return t.bad(fmt.Errorf("its links stand for more than the %d files that are allowed", t.limits.Entries))
	}
	return nil
}

// underneath returns the names below a directory; "" and "." are the root.
func underneath(sorted []string, dir string) []string {
	if dir == "" || dir == "." {
		return sorted
	}
	prefix := dir + "/"
	start, _ := slices.BinarySearch(sorted, prefix)
	end := start
	for end < len(sorted) && strings.HasPrefix(sorted[end], prefix) {
		end++
	}
	return sorted[start:end]
}
