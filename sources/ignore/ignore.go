package ignore

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// File is the name of the files that hold patterns. Those in a file are for its directory and what is below it.
const File = ".sourceignore"

// Limits of what New accepts.
const (
	// MaxFileBytes is how long one File, or the text of spec.ignore, may be.
	MaxFileBytes = 128 << 10
	// MaxPatterns is how many patterns there may be in all files together, the defaults not counted.
	MaxPatterns = 1000
	// MaxPatternBytes is how long one pattern may be.
	MaxPatternBytes = 1024
)

// vcs are the patterns of files that describe a repository.
var vcs = []string{".git/", ".gitignore", ".gitmodules", ".gitattributes"}

// defaults are the patterns of files that no cluster needs, in the order of Flux: pictures, films and archives,
// settings of build services, settings of command lines.
var defaults = []string{
	"*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip",
	".github/", ".circleci/", ".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
	"codeship-services.yml", "codeship-steps.yml",
	".goreleaser.yml", ".sops.yaml", "/.flux.yaml",
}

// Matcher decides which paths are ignored. The zero value ignores nothing. Many goroutines may use it.
type Matcher struct {
	patterns []gitignore.Pattern
}

// New reads the patterns. files are all files of the tree whose name is [File], by their path. spec, when it is not
// nil, holds the patterns that count instead of the files and of the defaults; those of version control, as .git/,
// count always and can be taken back by a later pattern that begins with "!".
//
// Text above the limits or a pattern that cannot be read is a sources.Error: with reason InvalidReference, stalled,
// when it is in spec, else InvalidContent.
func New(spec *string, files map[string][]byte) (Matcher, error) {
	r := &reader{}
	r.trusted(vcs)
	if spec != nil {
		err := r.read(*spec, nil)
		if err != "" {
			return Matcher{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "spec.ignore %s", err)
		}

		return r.matcher, nil
	}

	r.trusted(defaults)
	for _, name := range slices.SortedFunc(maps.Keys(files), byDepth) {
		if err := r.read(string(files[name]), directory(name)); err != "" {
			return Matcher{}, sources.Fail(v1beta1.InvalidContentReason, nil, "%.200q %s", name, err)
		}
	}

	return r.matcher, nil
}

// Match reports whether a path is ignored, by itself or with a directory it is in. The path is relative to the root of
// the tree, clean, with slashes. As in Flux, and other than in git, a pattern that takes back a directory takes back
// all that is in it, and one that takes back a file does so in an ignored directory too. The cost grows with the
// patterns and with the path, so a caller with many paths looks at its context between them.
func (m Matcher) Match(name string, isDir bool) bool {
	if len(m.patterns) == 0 || name == "" || name == "." {
		return false
	}

	parts := strings.Split(name, "/")
	for _, pattern := range slices.Backward(m.patterns) {
		if result := pattern.Match(parts, isDir); result != gitignore.NoMatch {
			return result == gitignore.Exclude
		}
	}

	return false
}

// reader gathers patterns within the limits.
type reader struct {
	matcher Matcher
	count   int // without the defaults
}

func (r *reader) trusted(patterns []string) {
	for _, pattern := range patterns {
		r.matcher.patterns = append(r.matcher.patterns, gitignore.ParsePattern(pattern, nil))
	}
}

// read adds the patterns of a text, and says what is wrong with it, "" for nothing.
func (r *reader) read(text string, domain []string) (problem string) {
	if len(text) > MaxFileBytes {
		return fmt.Sprintf("has more than %d bytes", MaxFileBytes)
	}

	number := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if r.count++; r.count > MaxPatterns {
			return fmt.Sprintf("brings the patterns to more than %d", MaxPatterns)
		}
		if len(line) > MaxPatternBytes {
			return fmt.Sprintf("has a pattern of more than %d bytes in line %d", MaxPatternBytes, number)
		}
		if line = stars(line); !readable(line) {
			return fmt.Sprintf("has a pattern that cannot be read in line %d: %.200q", number, line)
		}

		r.matcher.patterns = append(r.matcher.patterns, gitignore.ParsePattern(line, domain))
	}

	return ""
}

// stars writes the stars of a pattern as the library understands them: two beside other letters mean one, and so do two
// that are all there is behind the first slash.
func stars(line string) string {
	sign := ""
	pattern := line
	if rest, ok := strings.CutPrefix(line, "!"); ok {
		sign = "!"
		pattern = rest
	}

	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if strings.TrimRight(part, " ") == "**" || strings.Contains(part, "[") || strings.Contains(part, "\\") {
			continue
		}

		for strings.Contains(part, "**") {
			part = strings.ReplaceAll(part, "**", "*")
		}

		parts[i] = part
	}

	if len(parts) == 2 && parts[0] == "" && strings.TrimRight(parts[1], " ") == "**" {
		parts[1] = "*"
	}

	return sign + strings.Join(parts, "/")
}

// readable reports whether each part of a pattern is one that can match at all.
func readable(line string) bool {
	for part := range strings.SplitSeq(strings.TrimPrefix(line, "!"), "/") {
		if _, err := path.Match(part, "x"); err != nil {
			return false
		}
	}
	return true
}

// byDepth puts directories before what is in them.
func byDepth(a, b string) int {
	return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
}

// directory returns the parts of the path of a file's directory.
func directory(name string) []string {
	dir := path.Dir(path.Clean("/" + name))
	if dir == "/" {
		return nil
	}
	return strings.Split(dir[1:], "/")
}
