package git

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	branchPrefix  = "refs/heads/"
	tagPrefix     = "refs/tags/"
	defaultBranch = "master"
)

// references is what a repository has, by full name.
type references struct {
	objects map[string]plumbing.Hash // what the name points at: a commit, or an annotated tag
	peeled  map[string]plumbing.Hash // the commit behind an annotated tag
}

func newReferences(ar *packp.AdvRefs) references {
	r := references{objects: ar.References, peeled: ar.Peeled}
	if ar.Head != nil {
		r.objects = maps.Clone(ar.References)
		r.objects["HEAD"] = *ar.Head
	}
	return r
}

// commit is the commit behind a full name.
func (r references) commit(name string) (string, bool) {
	if h, ok := r.peeled[name]; ok {
		return h.String(), true
	}
	h, ok := r.objects[name]
	return h.String(), ok
}

// choose finds what is wanted, in the order that Ref promises.
func (r references) choose(ref Ref, repository string) (Revision, error) {
	switch {
	case ref.Commit != "":
		if _, err := r.named(branchPrefix, ref.Branch, repository); err != nil {
			return Revision{}, err
		}
		return Revision{Name: ref.Branch, Commit: ref.Commit}, nil
	case ref.Name != "":
		return r.named("", ref.Name, repository)
	case ref.SemVer != "":
		return r.newest(ref.SemVer, repository)
	case ref.Tag != "":
		return r.named(tagPrefix, ref.Tag, repository)
	case ref.Branch != "":
		return r.named(branchPrefix, ref.Branch, repository)
	}
	return r.named(branchPrefix, defaultBranch, repository)
}

func (r references) named(prefix, name, repository string) (Revision, error) {
	if commit, ok := r.commit(prefix + name); ok {
		return Revision{Name: name, Commit: commit}, nil
	}

	kind := "reference"
	others := ""
	switch prefix {
	case branchPrefix:
		kind, others = "branch", r.list("branches", branchPrefix)
	case tagPrefix:
		kind, others = "tag", r.list("tags", tagPrefix)
	}

	return Revision{}, sources.Fail(v1beta1.NotFoundReason, nil, "%s has no %s %.100q%s", repository, kind, name, others)
}

func (r references) newest(constraint, repository string) (Revision, error) {
	versions, _ := sources.ParseVersions(r.short(tagPrefix))
	v, err := sources.Select(versions, sources.VersionConstraint{Constraint: constraint})
	if err != nil {
		return Revision{}, fmt.Errorf("choosing a tag of %s: %w", repository, err)
	}
	return r.named(tagPrefix, v.Tag, repository)
}

// short returns the sorted names below a prefix.
func (r references) short(prefix string) []string {
	var names []string
	for name := range r.objects {
		if short, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, short)
		}
	}
	slices.Sort(names)
	return names
}

// list returns the names there are, for the message about one that is not.
func (r references) list(what, prefix string) string {
	const shown = 5
	names := r.short(prefix)
	switch {
	case len(names) == 0:
		return "; it has no " + what
	case len(names) > shown:
		return fmt.Sprintf("; it has %d %s, among them %s", len(names), what, strings.Join(names[:shown], ", "))
	}
	return fmt.Sprintf("; its %s are %s", what, strings.Join(names, ", "))
}

// find returns the full name that a revision was found by: the one that still points at the commit, else the first that
// exists.
func (r references) find(rev Revision) (name string, tip bool) {
	if rev.Name == "" {
		for _, full := range slices.Sorted(maps.Keys(r.objects)) {
			if commit, _ := r.commit(full); commit == rev.Commit {
				return full, true
			}
		}
		return "", false
	}

	for _, full := range []string{branchPrefix + rev.Name, tagPrefix + rev.Name, rev.Name} {
		commit, ok := r.commit(full)
		if ok && commit == rev.Commit {
			return full, true
		}
		if ok && name == "" {
			name = full
		}
	}

	return name, false
}
