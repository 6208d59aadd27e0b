package git

import (
	"encoding/binary"
	"errors"
	"path"
	"slices"
	"sort"
	"strings"

	"fairlead.dev/fairlead/sources/archive"
)

var (
	errOutside = errors.New("it leads out of the repository")
	errLoop    = errors.New("it leads back to itself")
)

// layout is what an archive holds, by path.
type layout struct {
	names []string          // regular files, sorted
	links map[string]string // symbolic links and their targets
}

// follow returns the path behind a path, see [archive.Follow].
func (l layout) follow(name string) (string, error) {
	at, err := archive.Follow(name, func(path string) (string, bool) {
		target, ok := l.links[path]
		return target, ok
	})
	switch {
	case errors.Is(err, archive.ErrOutside):
		return "", errOutside
	case errors.Is(err, archive.ErrLoop):
		return "", errLoop
	}

	return at, err
}

// isFile reports whether a path is a regular file.
func (l layout) isFile(name string) bool {
	_, ok := slices.BinarySearch(l.names, name)
	return ok
}

// below returns the files and links below a directory, sorted; "" is the root.
func (l layout) below(dir string) []string {
	prefix := ""
	if dir != "" {
		prefix = dir + "/"
	}

	var found []string
	for i := sort.SearchStrings(l.names, prefix); i < len(l.names) && strings.HasPrefix(l.names[i], prefix); i++ {
		found = append(found, l.names[i])
	}

	for link := range l.links {
		if strings.HasPrefix(link, prefix) {
			found = append(found, link)
		}
	}

	slices.Sort(found)
	return found
}

// charts returns the directories that hold a Chart.yaml, sorted, without those that are another chart's dependencies.
func (l layout) charts() []string {
	var all []string
	for _, name := range l.names {
		if path.Base(name) == chartFile {
			all = append(all, path.Dir(name))
		}
	}

	slices.Sort(all)
	return slices.DeleteFunc(slices.Clone(all), func(dir string) bool {
		for i := range dir {
			if !strings.HasPrefix(dir[i:], "/charts/") {
				continue
			}
			if _, ok := slices.BinarySearch(all, dir[:i]); ok {
				return true
			}
		}
		return false
	})
}

// The extra field of a gzip header is a list of two letters, a length and a text; other readers pass over it.
const (
	extraID    = "FL"
	extraBytes = 32 << 10
)

// encodeLeftOut packs the paths of links that are not in the archive, as many as there is room for.
func encodeLeftOut(paths []string) []byte {
	if len(paths) == 0 {
		return nil
	}

	text := ""
	for _, p := range paths {
		if len(text)+len(p)+1 > extraBytes {
			break
		}
		text += p + "\n"
	}

	extra := append([]byte(extraID), 0, 0)
	binary.LittleEndian.PutUint16(extra[2:], uint16(len(text)&0xffff)) // extraBytes is less
	return append(extra, text...)
}

func decodeLeftOut(extra []byte) []string {
	for len(extra) >= 4 {
		size := int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+size {
			return nil
		}
		if string(extra[:2]) == extraID {
			return strings.Split(strings.TrimSuffix(string(extra[4:4+size]), "\n"), "\n")
		}

		extra = extra[4+size:]
	}
	return nil
}
