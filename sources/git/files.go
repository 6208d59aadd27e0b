package git

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// maxPattern is how long a pattern may be, in bytes, and maxWildcards how many *, ? and [ it may have: matching
	// takes time with each of them, for each file of an archive.
	maxPattern   = 512
	maxWildcards = 16
	// maxNamed is how many files a message names.
	maxNamed = 5
)

// File is one file of an archive.
type File struct {
	// Path in the archive, as the pattern matches it: a symbolic link has its own, and the content of its target.
	Path string
	// Content is what the file holds.
	Content []byte
}

// FileLimits bound what ReadFiles returns.
type FileLimits struct {
	// Files is how many files may match.
	Files int
	// Bytes are those of all files that match, together.
	Bytes int64
}

// ReadFiles returns the files of an archive, as Fetch writes it, that match a pattern, in lexical order of their paths.
// A pattern is a path whose elements may have *, ? and [a-z]; none of them matches a slash. A symbolic link to a file
// counts as that file. An archive that is an io.Seeker, as the store's are, is not read into memory.
//
// Errors are a sources.Error with reason InvalidReference, stalled, for a pattern that is malformed or leads out of the
// archive, NotFound when no file matches, or InvalidContent for an archive that is broken, a link that leads out of it,
// and files that are too many or too large.
func ReadFiles(archive io.Reader, pattern string, l FileLimits) ([]File, error) {
	clean, err := cleanPattern(pattern)
	if err != nil {
		return nil, err
	}

	a, err := openArchive(archive, Limits{}.withDefaults())
	if err != nil {
		return nil, err
	}

	found, err := a.matching(clean)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, a.noMatch(clean)
	case len(found) > l.Files:
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "%d files match %q; up to %d are allowed",
			len(found), clean, l.Files)
	}

	return a.contents(clean, found, l.Bytes)
}

// cleanPattern checks a pattern before it is matched with names that others have chosen.
func cleanPattern(pattern string) (string, error) {
	bad := func(why string) error {
		return sources.Stall(v1beta1.InvalidReferenceReason, nil, "the path %.200q %s", pattern, why)
	}
	switch {
	case len(pattern) > maxPattern:
		return "", bad(fmt.Sprintf("has %d bytes; up to %d are allowed", len(pattern), maxPattern))
	case strings.Contains(pattern, "**"):
		return "", bad("has **, which is not supported; write * for each directory")
	case strings.Count(pattern, "*")+strings.Count(pattern, "?")+strings.Count(pattern, "[") > maxWildcards:
		return "", bad(fmt.Sprintf("has more than the %d wildcards that are allowed", maxWildcards))
	}

	clean := path.Clean(pattern)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(clean, "\x00\n\\") {
		return "", bad("must be relative and inside of the source")
	}
	if clean == "." {
		return "", bad("names no file")
	}
	if _, err := path.Match(clean, ""); err != nil {
		return "", bad("is malformed: a [ needs its ]")
	}

	return clean, nil
}

// matching returns the files that match a pattern, by their paths: what is behind each of them.
func (a *treeArchive) matching(pattern string) (map[string]string, error) {
	dir, rest := literalDir(pattern)
	real, err := a.layout.follow(dir)
	if err != nil {
		return nil, badLink(dir, err)
	}

	found := map[string]string{}
	for _, name := range append(a.layout.below(real), a.leftBelow(real)...) {
		own := strings.TrimPrefix(strings.TrimPrefix(name, real), "/")
		if !matches(rest, own) {
			continue
		}

		target, err := a.behind(name)
		if err != nil {
			return nil, badLink(path.Join(dir, own), err)
		}
		if target != "" {
			found[path.Join(dir, own)] = target
		}
	}

	return found, nil
}

// matches reports whether a path matches a pattern of the same depth: a class such as [^a] must not match a slash.
func matches(pattern, name string) bool {
	if strings.Count(pattern, "/") != strings.Count(name, "/") {
		return false
	}
	is, err := path.Match(pattern, name)
	return err == nil && is
}

// leftBelow returns the links below a directory that are not in the archive, because they lead out of it.
func (a *treeArchive) leftBelow(dir string) []string {
	return slices.DeleteFunc(slices.Clone(a.left), func(name string) bool {
		return dir != "" && !strings.HasPrefix(name, dir+"/")
	})
}

// behind returns the file that a name stands for; empty for a link to a directory or to nothing.
func (a *treeArchive) behind(name string) (string, error) {
	if slices.Contains(a.left, name) {
		return "", errOutside
	}

	target, err := a.layout.follow(name)
	if err != nil || !a.layout.isFile(target) {
		return "", err
	}

	return target, nil
}

func badLink(name string, err error) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil, "the symbolic link %.200q: %s", name, err)
}

// literalDir splits a pattern behind the last directory before its first wildcard.
func literalDir(pattern string) (dir, rest string) {
	elements := strings.Split(pattern, "/")
	at := slices.IndexFunc(elements, hasWildcard)
	if at < 0 {
		at = len(elements) - 1
	}
	return path.Join(elements[:at]...), strings.Join(elements[at:], "/")
}

func hasWildcard(element string) bool { return strings.ContainsAny(element, "*?[") }

// noMatch says that nothing matches, and which files are in the same directory.
func (a *treeArchive) noMatch(pattern string) error {
	dir, _ := literalDir(pattern)
	var names []string
	if real, err := a.layout.follow(dir); err == nil {
		for _, name := range a.layout.below(real) {
			if own := strings.TrimPrefix(strings.TrimPrefix(name, real), "/"); !strings.Contains(own, "/") {
				names = append(names, own)
			}
		}
	}

	where := cmp.Or(dir, "the top directory")
	return sources.Fail(v1beta1.NotFoundReason, nil, "no file matches %q; %s has %s", pattern, where, named(names))
}

// named names files, briefly.
func named(names []string) string {
	switch {
	case len(names) == 0:
		return "no files"
	case len(names) > maxNamed:
		return fmt.Sprintf("%s and %d more files", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
	default:
		return strings.Join(names, ", ")
	}
}

// contents reads files, in lexical order of their paths.
func (a *treeArchive) contents(pattern string, found map[string]string, limit int64) ([]File, error) {
	tooLarge := sources.Fail(v1beta1.InvalidContentReason, nil,
		"the files that match %q have more than the %d bytes that values may have", pattern, limit)
	wanted := map[string]bool{}
	for _, target := range found {
		wanted[target] = true
	}

	read, err := a.read(wanted, limit)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, tooLarge
	case err != nil:
		return nil, err
	}

	files := make([]File, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		content := read[found[name]]
		if limit -= int64(len(content)); limit < 0 { // a link stands for the bytes of its target once more
			return nil, tooLarge
		}
		files = append(files, File{Path: name, Content: content})
	}

	return files, nil
}
