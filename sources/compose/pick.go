package compose

import (
	"context"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// operation is a copy operation that was checked.
type operation struct {
	v1beta1.CopyOperation
	alias   string
	from    string // the path or pattern in the source
	to      string // the path in the artifact, "." for its root
	toDir   bool   // to ends with a slash
	wanted  *pattern
	exclude []pattern
}

// pick is a file that an operation copies.
type pick struct {
	// name is its path in the source, and file the one behind links.
	name string
	file string
	// rel is its path below the destination; empty for a single file, whose path is the destination.
	rel string
}

// parse checks a copy operation by itself. Only a change of it can help.
func parse(o v1beta1.CopyOperation) (operation, error) {
	bad := func(format string, args ...any) (operation, error) {
		return operation{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "copying from %q to %q: "+format,
			append([]any{o.From, o.To}, args...)...)
	}
	alias, from, found := strings.Cut(strings.TrimPrefix(o.From, "@"), "/")
	to, ofArtifact := strings.CutPrefix(o.To, "@artifact/")
	switch {
	case !found || alias == "" || !strings.HasPrefix(o.From, "@"):
		return bad("from has the form @ALIAS/PATH")
	case !ofArtifact:
		return bad("to has the form @artifact/PATH")
	case !isInside(from):
		return bad("the path in the source must be relative and inside of it")
	case !isInside(to):
		return bad("the path in the artifact must be relative and inside of it")
	}

	out := operation{
		CopyOperation: o, alias: alias, from: from, to: path.Clean(to), toDir: to == "" || strings.HasSuffix(to, "/"),
	}
	if isPattern(from) {
		wanted, err := compile(from)
		if err != nil {
			return bad("%s", err)
		}
		out.wanted = &wanted
	} else {
		out.from = path.Clean(from)
	}

	for _, text := range o.Exclude {
		excluded, err := compile(text)
		if err != nil {
			return bad("exclude: %s", err)
		}
		out.exclude = append(out.exclude, excluded)
	}

	return out, nil
}

// isInside reports whether a path of an operation stays below its root.
func isInside(name string) bool {
	return !path.IsAbs(name) && !strings.ContainsAny(name, "\x00\\") &&
		!slices.Contains(strings.Split(name, "/"), "..")
}

// pick returns the files of the source that an operation copies, sorted. It is an error when there are none, but for a
// single file that is excluded; a later revision of the source may have some.
func (t *tree) pick(ctx context.Context, o operation) ([]pick, error) {
	if file, is := t.files[o.from]; is && o.wanted == nil {
		if o.excludes(o.from, ".") {
			return nil, nil // it is what the operation says
		}
		return []pick{{name: o.from, file: file}}, nil
	}

	found, all, err := t.candidates(ctx, o)
	if err != nil {
		return nil, err
	}

	if len(found) == 0 && len(all) > 0 {
		return nil, o.fail("every file of the source @%s that it stands for is excluded", o.alias)
	}
	if len(found) == 0 {
		return nil, o.fail("no file of the source @%s is there", o.alias)
	}

	return found, nil
}

func (o operation) fail(format string, args ...any) error {
	return sources.Fail(v1beta1.NotFoundReason, nil, "copying from %q to %q: "+format,
		append([]any{o.From, o.To}, args...)...)
}

// candidates are the files that an operation for several copies, and those before any was excluded.
func (t *tree) candidates(ctx context.Context, o operation) (found []pick, all []string, err error) {
	base, prefix := o.bases()
	if o.wanted == nil && o.Strategy == v1beta1.CopyExtract && t.dirs[o.from] {
		return nil, nil, sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"copying from %q to %q: the strategy Extract is for tar.gz files, and this is a directory", o.From, o.To)
	}

	for _, name := range t.within(base) {
		if err := ctx.Err(); err != nil {
			return nil, nil, err // many patterns and many files take their time
		}
		if !o.selects(name) {
			continue
		}

		all = append(all, name)
		if o.excludes(name, base) {
			continue
		}
		if why := t.broken[name]; why != nil {
			return nil, nil, sources.Fail(v1beta1.InvalidContentReason, why,
				"copying from %q to %q: the symbolic link %.200q of the source @%s", o.From, o.To, name, o.alias)
		}

		found = append(found, pick{name: name, file: t.files[name], rel: strings.TrimPrefix(name, prefix)})
	}

	return found, all, nil
}

// bases are the directory that everything which an operation copies is below, and what paths in the source lose on
// their way: the parent of a directory, the directory of DIRECTORY/**, and nothing for other patterns.
func (o operation) bases() (base, prefix string) {
	if o.wanted == nil {
		if parent := path.Dir(o.from); parent != "." {
			prefix = parent + "/"
		}
		return o.from, prefix
	}

	base = literal(o.from)
	if dir, all := strings.CutSuffix(o.from, "/**"); all && !isPattern(dir) {
		prefix = path.Clean(dir) + "/"
	}

	return base, prefix
}

// within returns the paths below a directory, links that lead nowhere included.
func (t *tree) within(base string) []string {
	names := underneath(t.names, base)
	if len(t.broken) == 0 {
		return names
	}
	broken := underneath(slices.Sorted(mapKeys(t.broken)), base)
	names = append(slices.Clone(names), broken...)
	slices.Sort(names)
	return names
}

// selects reports whether a path, or a directory that it is in, is what the operation stands for.
func (o operation) selects(name string) bool {
	switch {
	case o.wanted == nil:
		return true
	case o.Strategy == v1beta1.CopyExtract:
		return isTarball(name) && o.wanted.match(name)
	}

	for at := name; at != "."; at = path.Dir(at) {
		if o.wanted.match(at) {
			return true
		}
	}

	return false
}

// excludes reports whether a path, or a directory that it is in below the base, is excluded.
func (o operation) excludes(name, base string) bool {
	if len(o.exclude) == 0 {
		return false
	}
	for at := name; at != "." && at != base; at = path.Dir(at) {
		relative := at
		if base != "." {
			relative = strings.TrimPrefix(at, base+"/")
		}
		for _, excluded := range o.exclude {
			if excluded.match(at) || excluded.match(relative) ||
				!strings.Contains(excluded.text, "/") && excluded.match(path.Base(at)) {
				return true
			}
		}
	}
	return false
}

// isTarball reports whether the name of a file is that of a tar.gz.
func isTarball(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasSuffix(lower, ".tar.gz") || strings.HasSuffix(lower, ".tgz")
}

func mapKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
