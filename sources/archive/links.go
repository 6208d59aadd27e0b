package archive

import (
	"errors"
	"path"
	"slices"
	"strings"
)

// MaxHops is how many links Follow follows.
const MaxHops = 40

// Errors of Follow. Callers word them for what the archive is of.
var (
	ErrOutside = errors.New("it leads out of the archive")
	ErrLoop    = errors.New("its links lead back to themselves")
)

// Follow returns the path behind a path, with every symbolic link on the way followed as a file system would. Text
// alone cannot tell: "a/b/.." is not "a" when b is a link. The root is the empty path. link returns the target of a
// path, and whether the path is a link. The error is ErrOutside or ErrLoop.
func Follow(name string, link func(path string) (target string, ok bool)) (string, error) {
	pending := strings.Split(name, "/")
	var at []string
	for hops := 0; len(pending) > 0; {
		part := pending[0]
		pending = pending[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return "", ErrOutside
			}

			at = at[:len(at)-1]
			continue
		}

		target, isLink := link(path.Join(append(slices.Clone(at), part)...))
		if !isLink {
			at = append(at, part)
			continue
		}

		if hops++; hops > MaxHops {
			return "", ErrLoop
		}
		if path.IsAbs(target) {
			return "", ErrOutside
		}

		pending = append(strings.Split(target, "/"), pending...)
	}

	return path.Join(at...), nil
}
