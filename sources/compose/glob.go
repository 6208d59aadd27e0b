package compose

import (
	"fmt"
	"path"
	"strings"
)

// maxAlternatives bounds what the braces of one pattern expand to.
const maxAlternatives = 64

// pattern matches paths: * and ? stand for characters but a slash, [] for one of a set, ** for any number of
// directories, and {a,b} for one of several texts.
type pattern struct {
	text         string
	alternatives [][]string // their segments
}

// isPattern reports whether a path of a source has wildcards.
func isPattern(text string) bool { return strings.ContainsAny(text, "*?[]") }

// compile checks a pattern.
func compile(text string) (pattern, error) {
	expanded, err := expand(text, maxAlternatives)
	if err != nil {
		return pattern{}, err
	}

	p := pattern{text: text}
	for _, alternative := range expanded {
		segments := strings.Split(path.Clean(alternative), "/")
		for _, segment := range segments {
			if _, err := path.Match(segment, ""); err != nil {
				return pattern{}, fmt.Errorf("%q is not a pattern", text)
			}
		}

		p.alternatives = append(p.alternatives, segments)
	}

	return p, nil
}

// expand replaces the first group of braces by each of its alternatives, and those of what comes out.
func expand(text string, limit int) ([]string, error) {
	before, inside, after, found := group(text)
	if !found {
		return []string{text}, nil
	}

	var out []string
	for _, alternative := range alternatives(inside) {
		more, err := expand(before+alternative+after, limit-len(out))
		if err != nil {
			return nil, err
		}
		if out = append(out, more...); len(out) > limit {
			return nil, fmt.Errorf("the braces of %.100q stand for more than the %d texts that are allowed", text,
				maxAlternatives)
		}
	}

	return out, nil
}

// group finds the first group of braces that is closed.
func group(text string) (before, inside, after string, found bool) {
	start := -1
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{':
			if depth == 0 {
				start = i
			}
			depth++
		case '}':
			if depth == 0 {
				continue
			}
			if depth--; depth == 0 {
				return text[:start], text[start+1 : i], text[i+1:], true
			}
		}
	}
	return "", "", "", false
}

// alternatives splits the inside of braces at its commas; those of braces inside of it stay.
func alternatives(inside string) []string {
	var out []string
	depth := 0
	start := 0
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, inside[start:i])
				start = i + 1
			}
		}
	}
	return append(out, inside[start:])
}

// match reports whether the pattern stands for a path.
func (p pattern) match(name string) bool {
	segments := strings.Split(name, "/")
	for _, alternative := range p.alternatives {
		if matchSegments(alternative, segments) {
			return true
		}
	}
	return false
}

// matchSegments compares from the left. After a mismatch it lets the last ** stand for one more directory: no earlier
// one has to.
func matchSegments(wanted, segments []string) bool {
	at, i := 0, 0
	star, resume := -1, 0
	for i < len(segments) {
		switch {
		case at < len(wanted) && wanted[at] == "**":
			star, resume = at, i
			at++
		case at < len(wanted) && matchSegment(wanted[at], segments[i]):
			at++
			i++
		case star >= 0:
			resume++
			at, i = star+1, resume
		default:
			return false
		}
	}

	for at < len(wanted) && wanted[at] == "**" {
		at++
	}

	return at == len(wanted)
}

func matchSegment(wanted, segment string) bool {
	matched, err := path.Match(wanted, segment)
	return err == nil && matched
}

// literal is the part of the pattern before its first segment with wildcards; "." when that is the first.
func literal(text string) string {
	var kept []string
	for _, segment := range strings.Split(path.Clean(text), "/") {
		if isPattern(segment) {
			break
		}
		kept = append(kept, segment)
	}

	if len(kept) == 0 {
		return "."
	}

	return path.Join(kept...)
}
