package git

import (
	"errors"
	"path"
	"strings"
)

const ignoreFile = ".helmignore"

// ignoreRule is one line of a .helmignore.
type ignoreRule struct {
	pattern string
	negated bool
	dirOnly bool
	rooted  bool // the pattern is for the whole path, not for the last name in it
}

// ignoreRules leave files out of a chart as Helm does when it loads a directory, with its peculiarities: a negated rule
// leaves out everything that it does not match.
type ignoreRules []ignoreRule

func parseIgnore(text string) (ignoreRules, error) {
	var rules ignoreRules
	for _, text := range append(strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n"), "templates/.?*") {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		if strings.Contains(text, "**") {
			return nil, errors.New("a double star is not supported by helm")
		}

		rule := ignoreRule{pattern: text}
		rule.pattern, rule.negated = strings.CutPrefix(rule.pattern, "!")
		rule.pattern, rule.dirOnly = strings.CutSuffix(rule.pattern, "/")
		rule.rooted = strings.Contains(rule.pattern, "/")
		rule.pattern = strings.TrimPrefix(rule.pattern, "/")
		if _, err := path.Match(rule.pattern, "abc"); err != nil {
			return nil, errors.New("a pattern cannot be read")
		}

		rules = append(rules, rule)
	}

	return rules, nil
}

// ignores reports whether a file is left out, by itself or with a directory it is in.
func (r ignoreRules) ignores(name string) bool {
	for i, c := range name {
		if c == '/' && r.one(name[:i], true) {
			return true
		}
	}
	return r.one(name, false)
}

func (r ignoreRules) one(name string, isDir bool) bool {
	for _, rule := range r {
		switch {
		case rule.negated && rule.dirOnly && !isDir:
			return true
		case rule.negated && !rule.matches(name):
			return true
		case rule.negated || rule.dirOnly && !isDir:
			continue
		case rule.matches(name):
			return true
		}
	}
	return false
}

func (r ignoreRule) matches(name string) bool {
	if !r.rooted {
		name = path.Base(name)
	}
	ok, err := path.Match(r.pattern, name)
	return ok && err == nil
}
