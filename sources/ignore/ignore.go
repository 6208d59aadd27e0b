// Package ignore tells which files of a source are left out of its artifact, by patterns in the format of .gitignore.
package ignore

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// File names the files of a source that hold patterns, each for its directory and those below.
const File = ".sourceignore"

// Bounds of patterns: how many there may be, and how long each.
const (
	maxPatterns = 2000
	maxLength   = 1024
)

// usual are the patterns that count without any others: what is about a repository and not for a cluster, and what is large. They are
// those of Flux.
var usual = strings.Fields(`
.git/ .gitignore .gitmodules .gitattributes
*.jpg *.jpeg *.gif *.png *.wmv *.flv *.tar.gz *.zip
.github/ .circleci/ .travis.yml .gitlab-ci.yml appveyor.yml .drone.yml cloudbuild.yaml codeship-services.yml codeship-steps.yml
.goreleaser.yml .sops.yaml /.flux.yaml
`)

// Rules tell which files are left out.
type Rules struct{ matcher gitignore.Matcher }

// New reads patterns: those of spec when there is one, which then count alone, else the usual ones and those of files, by the paths of the
// files. Too many patterns, and one that is too long, are a sources.Error with reason InvalidContent.
func New(spec *string, files map[string][]byte) (Rules, error) {
	var patterns []gitignore.Pattern
	add := func(domain []string, lines ...string) error {
		for _, line := range lines {
			line = strings.TrimSuffix(line, "\r")
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if len(line) > maxLength || len(patterns) == maxPatterns {
				return sources.Fail(v1beta1.InvalidContentReason, nil, "patterns for what is left out: there may be %d of %d characters", maxPatterns, maxLength)
			}
			patterns = append(patterns, gitignore.ParsePattern(line, domain))
		}
		return nil
	}
	if spec != nil {
		err := add(nil, strings.Split(*spec, "\n")...)
		return Rules{gitignore.NewMatcher(patterns)}, err
	}
	if err := add(nil, usual...); err != nil {
		return Rules{}, err
	}
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int { // what is deeper decides later
		if n := strings.Count(a, "/") - strings.Count(b, "/"); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		var domain []string
		if dir := path.Dir(name); dir != "." {
			domain = strings.Split(dir, "/")
		}
		if err := add(domain, strings.Split(string(bytes.TrimPrefix(files[name], []byte("\ufeff"))), "\n")...); err != nil {
			return Rules{}, err
		}
	}
	return Rules{gitignore.NewMatcher(patterns)}, nil
}

// LeavesOut tells whether a file is left out, by itself or with a directory that it is in. The path is relative and clean.
func (r Rules) LeavesOut(file string) bool {
	if r.matcher == nil {
		return false
	}
	parts := strings.Split(file, "/")
	for i := 1; i < len(parts); i++ {
		if r.matcher.Match(parts[:i], true) {
			return true
		}
	}
	return r.matcher.Match(parts, false)
}
