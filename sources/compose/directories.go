package compose

import (
	"archive/tar"
	"cmp"
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Bounds of what one pattern stands for.
const (
	// MaxOutputs is how many artifacts a generator may have, with a pattern as without one.
	MaxOutputs = 1000
	// maxPlaceholders is how many placeholders a pattern may have.
	maxPlaceholders = 16
	// maxName is how many bytes the name of a directory can have; file systems have the same limit.
	maxName = 255
)

// Directories are those of a source that spec.pathPattern of an ArtifactGenerator stands for.
type Directories struct {
	// Alias of the source.
	Alias string

	text         string
	segments     []dirSegment
	placeholders []string
}

// dirSegment is what the name of one directory has to be: a text, or what an expression matches.
type dirSegment struct {
	text   string
	wanted *regexp.Regexp
}

// Directory is one that matches.
type Directory struct {
	// Path in the source.
	Path string
	// Values of the placeholders, as the path has them.
	Values map[string]string
}

// Labels are the values of the placeholders in lower case, which the ExternalArtifacts of the directory get.
func (d Directory) Labels() map[string]string {
	labels := make(map[string]string, len(d.Values))
	for name, value := range d.Values {
		labels[name] = strings.ToLower(value)
	}
	return labels
}

// ParseDirectories reads a pattern: @ALIAS/PATH, where {name} stands for the name of one directory, or for a part of
// it. The error is stalled: only another pattern helps.
func ParseDirectories(text string) (Directories, error) {
	bad := func(format string, args ...any) (Directories, error) {
		return Directories{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "spec.pathPattern %.200q: "+format,
			append([]any{text}, args...)...)
	}
	alias, pattern, found := strings.Cut(strings.TrimPrefix(text, "@"), "/")
	switch {
	case !found || alias == "" || !strings.HasPrefix(text, "@"):
		return bad("it has the form @ALIAS/PATH")
	case !isInside(pattern):
		return bad("the path must be relative and inside of the source")
	case isPattern(pattern):
		return bad("* ? [ and ] are not supported; a placeholder, {name}, stands for the name of a directory")
	case path.Clean(pattern) == ".":
		return bad("it names no directory")
	}

	d := Directories{Alias: alias, text: text}
	for _, segment := range strings.Split(path.Clean(pattern), "/") {
		if err := d.add(segment); err != nil {
			return bad("%s", err)
		}
	}
	if len(d.placeholders) > maxPlaceholders {
		return bad("it has more than the %d placeholders that are allowed", maxPlaceholders)
	}

	return d, nil
}

// add reads one segment of a pattern. Where several placeholders share a segment, the first takes as much as it can.
func (d *Directories) add(segment string) error {
	parts, err := partsOf(segment)
	if err != nil {
		return err
	}

	expression := "^"
	matches := false
	for _, p := range parts {
		if !p.placeholder {
			expression += regexp.QuoteMeta(p.text)
			continue
		}
		if slices.Contains(d.placeholders, p.text) {
			return fmt.Errorf("it has the placeholder {%s} twice", p.text)
		}

		matches = true
		d.placeholders = append(d.placeholders, p.text)
		expression += "(?P<" + p.text + ">.+)"
	}

	if !matches {
		d.segments = append(d.segments, dirSegment{text: segment})
		return nil
	}

	wanted, err := regexp.Compile("(?s)" + expression + "$")
	if err != nil {
		return fmt.Errorf("reading %.100q: %w", segment, err)
	}

	d.segments = append(d.segments, dirSegment{wanted: wanted})
	return nil
}

// Find lists the directories of an archive that match, sorted by their paths. A directory is one that has files or
// links; a link to a directory is none. It reads the archive once.
func (d Directories) Find(ctx context.Context, source Source, l Limits) ([]Directory, error) {
	seen := map[string]bool{}
	var found []Directory
	t := &tree{alias: d.Alias, source: source, limits: l.withDefaults()}
	err := t.walk(func(h *tar.Header, name string, _ io.Reader) error {
		dir, is := d.above(name)
		if !is || seen[dir] || h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
			return ctx.Err()
		}

		seen[dir] = true
		if values, matches := d.match(dir); matches {
			found = append(found, Directory{Path: strings.Clone(dir), Values: values})
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}

	slices.SortFunc(found, func(a, b Directory) int { return cmp.Compare(a.Path, b.Path) })
	return found, nil
}

// above is the directory above a file that is as deep as the pattern.
func (d Directories) above(name string) (string, bool) {
	end := -1
	for range d.segments {
		slash := strings.IndexByte(name[end+1:], '/')
		if slash < 0 {
			return "", false
		}
		end += 1 + slash
	}
	return name[:end], true
}

// match returns the values of the placeholders for a directory.
func (d Directories) match(dir string) (values map[string]string, matches bool) {
	values = map[string]string{}
	for i, name := range strings.Split(dir, "/") {
		segment := d.segments[i]
		if segment.wanted == nil {
			if segment.text != name {
				return nil, false
			}
			continue
		}

		if len(name) > maxName {
			return nil, false
		}
		captured := segment.wanted.FindStringSubmatch(name)
		if captured == nil {
			return nil, false
		}
		for at, placeholder := range segment.wanted.SubexpNames() {
			if placeholder != "" {
				values[placeholder] = strings.Clone(captured[at])
			}
		}
	}
	return values, true
}

// Expanded is the artifact of a template for a directory.
type Expanded struct {
	Name string
	// Template is its place in spec.artifacts.
	Template  int
	Directory Directory
}

// Expand returns the artifacts that templates stand for, in the order of the directories. The problem is the first one
// that a directory has: a value that cannot be a label, a name that no object can have, or that another has, too. The
// artifacts without a problem are returned with it, MaxOutputs at the most.
func (d Directories) Expand(
	templates []v1beta1.OutputArtifact, directories []Directory,
) (found []Expanded, problem error) {
	if len(directories) == 0 {
		return nil, sources.Fail(v1beta1.NotFoundReason, nil,
			"no directory of the source @%s matches spec.pathPattern %.200q", d.Alias, d.text)
	}

	note := func(err error) {
		if problem == nil {
			problem = err
		}
	}
	names := map[string]string{} // the directory of each
	shared := map[string]bool{}
	for _, directory := range directories {
		if err := d.usable(directory); err != nil {
			note(err)
			continue
		}

		for i, template := range templates {
			name, err := d.nameOf(template, directory)
			other, taken := names[name]
			switch {
			case err != nil:
				note(err)
			case taken:
				shared[name] = true
				note(d.fail("%.200q and %.200q both make the artifact %s", other, directory.Path, name))
			case len(found) == MaxOutputs:
				note(d.fail("they make more than the %d artifacts that are allowed", MaxOutputs))
				return withoutNames(found, shared), problem
			default:
				names[name] = directory.Path
				found = append(found, Expanded{Name: name, Template: i, Directory: directory})
			}
		}
	}

	return withoutNames(found, shared), problem
}

// withoutNames leaves out the artifacts whose name another has, too: which one is meant cannot be known.
func withoutNames(found []Expanded, shared map[string]bool) []Expanded {
	return slices.DeleteFunc(found, func(e Expanded) bool { return shared[e.Name] })
}

// usable reports why a directory cannot have artifacts: the values of the placeholders are labels of theirs.
func (d Directories) usable(directory Directory) error {
	for _, placeholder := range d.placeholders {
		value := directory.Values[placeholder]
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			return d.fail("%.200q: the value %.200q of {%s} is not that of a label: %s", directory.Path, value, placeholder,
				problems[0])
		}
	}
	return nil
}

func (d Directories) nameOf(template v1beta1.OutputArtifact, directory Directory) (string, error) {
	name, err := render(template.Name, directory.Labels())
	if err != nil {
		return "", unusable(template, err)
	}
	if err := isName(name); err != nil {
		return "", d.fail("%.200q: %s", directory.Path, err)
	}
	return name, nil
}

// fail words a problem of directories; a later revision of the source may have others.
func (d Directories) fail(format string, args ...any) error {
	return sources.Fail(v1beta1.InvalidContentReason, nil,
		"directories of the source @%s that match spec.pathPattern: "+format, append([]any{d.Alias}, args...)...)
}
