package git

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Fetch writes the work tree of a revision to w as a tar.gz that is the same for the same tree: names sorted, times
// zero, modes 0644 or 0755, no .git. Only the one commit is fetched; when the server does not hand out a commit by its
// hash, the history of the branch is, and of all branches for a bare commit. A commit that was asked for with a branch
// has to be in that branch.
//
// Symbolic links that lead out of the tree are left out, and submodules are unless they are asked for. The archive
// remembers left-out links in its gzip header, so that PackChart can say so when a chart needs one. signed names the
// keys of the signatures that were asked for.
//
// Errors are a sources.Error with reason AuthenticationFailed, NotFound for a commit the repository or the branch does
// not have, FetchFailed, InvalidContent for a tree above the limits or with impossible names, or VerificationFailed.
// What was written before an error is worthless.
func (r *Remote) Fetch(ctx context.Context, rev Revision, w io.Writer) (signed string, err error) {
	if !sources.IsCommit(rev.Commit) {
		return "", sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.100q is not a full commit in lower case", rev.Commit)
	}

	what := "fetching " + rev.String() + " of " + r.name
	ctx, end, err := r.begin(ctx)
	if err != nil {
		return "", err
	}

	defer end()
	e, err := r.open(ctx, what)
	if err != nil {
		return "", err
	}

	defer e.close()
	p, err := e.fetch(ctx, rev, what)
	if err != nil {
		return "", err
	}

	if v := r.opts.Verify; v != nil {
		tag, is := e.refs.objects[tagPrefix+rev.Name]
		if v.Tag && !is {
			return "", sources.Stall(v1beta1.VerificationFailedReason, nil, "%s: %q is no tag, but its tag has to be signed",
				what, rev.Name)
		}
		if signed, err = p.verify(*v, rev, tag, "verifying "+rev.String()+" of "+r.name); err != nil {
			return "", err
		}
	}

	return signed, r.writeTree(ctx, p, rev, w, what)
}

// fetch gets a pack with the commit in it.
func (e *exchange) fetch(ctx context.Context, rev Revision, what string) (*pack, error) {
	name, tip := e.refs.find(rev)
	if tip {
		// Every server hands out what it lists: for an annotated tag that is the tag and not its commit.
		return e.shallow(ctx, e.refs.objects[name], rev, what)
	}

	if rev.Name != "" {
		if name == "" {
			return nil, sources.Fail(v1beta1.NotFoundReason, nil, "%s: %q is gone from the repository", what, rev.Name)
		}
		if !e.caps.Supports(capability.Filter) {
			return e.deep(ctx, name, rev, what)
		}

		// The commits alone show whether the branch has this one; they are small.
		history, err := e.pack(ctx, request{wants: []plumbing.Hash{e.refs.objects[name]}, filter: packp.FilterTreeDepth(0)},
			what)
		if err != nil {
			return nil, err
		}
		if !history.has(hash(rev.Commit)) {
			return nil, notIn(rev, what)
		}
	}

	p, err := e.shallow(ctx, hash(rev.Commit), rev, what)
	if errors.Is(err, errRefused) {
		return e.deep(ctx, name, rev, what)
	}

	return p, err
}

func (e *exchange) shallow(ctx context.Context, want plumbing.Hash, rev Revision, what string) (*pack, error) {
	p, err := e.pack(ctx, request{wants: []plumbing.Hash{want}, shallow: true}, what)
	if err != nil {
		return nil, err
	}
	if !p.has(hash(rev.Commit)) {
		return nil, sources.Fail(v1beta1.InvalidContentReason, nil, "%s: the server sent something else", what)
	}
	return p, nil
}

// deep fetches the history of a reference, or of all branches without one.
func (e *exchange) deep(ctx context.Context, name string, rev Revision, what string) (*pack, error) {
	var wants []plumbing.Hash
	for full, h := range e.refs.objects {
		if full == name || name == "" && strings.HasPrefix(full, branchPrefix) {
			wants = append(wants, h)
		}
	}

	if len(wants) == 0 {
		return nil, notIn(rev, what)
	}

	plumbing.HashesSort(wants)
	p, err := e.pack(ctx, request{wants: slices.Compact(wants)}, what)
	if err != nil {
		return nil, err
	}
	if !p.has(hash(rev.Commit)) {
		return nil, notIn(rev, what)
	}

	return p, nil
}

func notIn(rev Revision, what string) error {
	where := "no branch of the repository has it"
	if rev.Name != "" {
		where = rev.Name + " does not have it"
	}
	return sources.Fail(v1beta1.NotFoundReason, nil, "%s: %s", what, where)
}
