package git

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	gittransport "github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// Defaults of Limits.
const (
	DefaultByteLimit      = 256 << 20
	DefaultFileLimit      = 50_000
	DefaultReferenceLimit = 100_000
)

// Ref says which commit is wanted. Commit wins over Name, Name over SemVer, SemVer over Tag, Tag over Branch; the
// branch master is meant when all are empty.
type Ref struct {
	// Branch by its short name. With Commit, the branch that has to contain it.
	Branch string
	// Tag by its short name.
	Tag string
	// SemVer is a range; the newest tag in it is taken.
	SemVer string
	// Name is a full reference name, for example refs/pull/420/head.
	Name string
	// Commit is a full SHA-1 in lower case.
	Commit string
}

// Revision is one commit and the name it was found by.
type Revision struct {
	// Name is the short name of a branch or tag, or a full reference name; "" for a commit that was asked for as such.
	Name string
	// Commit is a full SHA-1.
	Commit string
}

// String is name@sha1:commit, or sha1:commit without a name.
func (r Revision) String() string {
	if r.Name == "" {
		return "sha1:" + r.Commit
	}
	return r.Name + "@sha1:" + r.Commit
}

// Limits bound what is fetched and packed.
type Limits struct {
	// Bytes of all files together, unpacked, and of what is sent for them; DefaultByteLimit when zero.
	Bytes int64
	// Files is how many files a work tree has, DefaultFileLimit when zero.
	Files int
	// References is how many references a repository has, DefaultReferenceLimit when zero.
	References int
}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultByteLimit
	}
	if l.Files <= 0 {
		l.Files = DefaultFileLimit
	}
	if l.References <= 0 {
		l.References = DefaultReferenceLimit
	}

	return l
}

// Options say which repository is meant and how to reach it.
type Options struct {
	// URL of the repository: http, https or ssh.
	URL string
	// Credentials are sent to the host of an http or https URL.
	Credentials sources.Credentials
	// Identity signs in over ssh.
	Identity sources.Identity
	// HTTP is the client to use, from transport.New; one with default options when nil.
	HTTP *http.Client
	// Network is what connects over ssh; the one that refuses no more than egress.Check does when nil.
	Network *transport.Network
	// Begin is called before a pack is received. It may wait, and returns grow, which takes memory and fails when there is
	// none, and end, which gives all of it back. Nothing is counted when it is nil.
	Begin func(context.Context) (grow func(bytes int64) error, end func(), err error)
	// Content says what of the work tree is fetched.
	Content Content
	// Verify has signatures checked before anything is written; nil checks none.
	Verify *Verification
	// Limits bound what is accepted.
	Limits Limits
}

// Content says what of a work tree becomes part of the archive.
type Content struct {
	// Ignore has the patterns of files that are left out; nil stands for the usual ones and those of the .sourceignore
	// files.
	Ignore *string
	// Directories are those that count, all when empty.
	Directories []string
	// Submodules are put in.
	Submodules bool
}

// Remote is a Git repository over smart HTTP or SSH. It holds no state, so many goroutines may use it.
type Remote struct {
	opts     Options
	name     string // the URL as it is shown
	endpoint string
	client   gittransport.Transport
}

// New checks the options without a request. A URL that cannot be used is a sources.Error with reason URLInvalid,
// stalled.
func New(o Options) (*Remote, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil, "the URL of a Git repository must not have a query")
	}

	o.Limits = o.Limits.withDefaults()
	r := &Remote{
		opts: o, name: (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(),
		endpoint: strings.TrimRight(u.String(), "/"),
	}
	if u.Scheme == SSHScheme {
		r.client, err = newShell(u, o)
		return r, err
	}

	if o.HTTP == nil {
		o.HTTP = transport.New(transport.Options{})
	}

	client := *o.HTTP
	client.Transport = &guard{base: transport.Base(o.HTTP), limits: o.Limits}
	r.client = githttp.NewClient(&client)
	return r, nil
}

// SSHScheme is that of the URLs of repositories over SSH.
const SSHScheme = "ssh"

// scpForm is how scp names a file of another host. It is no URL: its path begins in the home directory of the user.
var scpForm = regexp.MustCompile(
	`^([A-Za-z0-9][A-Za-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9.-]*):/*([A-Za-z0-9~._][A-Za-z0-9~._/-]*)$`)

// parseURL reads the URL of a repository. A user name is part of one over SSH, where it is no secret; a password never
// is.
func parseURL(raw string) (*url.URL, error) {
	if parts := scpForm.FindStringSubmatch(strings.TrimSpace(raw)); parts != nil {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil, "the URL has no scheme; write ssh://%s@%s/%s",
			parts[1], parts[2], parts[3])
	}

	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Scheme != SSHScheme || u.User == nil {
		return transport.ParseURL(raw, "https", "http", SSHScheme)
	}
	if _, has := u.User.Password(); has {
		return nil, sources.Stall(v1beta1.URLInvalidReason, nil, "the URL of %s must not hold a password", u.Host)
	}

	user := u.User
	u.User = nil
	if u, err = transport.ParseURL(u.String(), SSHScheme); err == nil {
		u.User = user
	}

	return u, err
}

// String is the URL.
func (r *Remote) String() string { return r.name }

// Resolve finds the commit with one list of references; a bare commit needs none. Annotated tags are followed to their
// commit. Errors are a sources.Error with reason AuthenticationFailed, NotFound for an unknown repository or a name it
// does not have, NoMatchingVersion for a range without a tag in it, FetchFailed, InvalidContent, or InvalidReference,
// stalled, for a reference that cannot be read.
func (r *Remote) Resolve(ctx context.Context, ref Ref) (Revision, error) {
	if ref.Commit != "" {
		if !sources.IsCommit(ref.Commit) {
			return Revision{}, sources.Stall(v1beta1.InvalidReferenceReason, nil, "%.100q is not a full commit in lower case",
				ref.Commit)
		}
		if ref.Branch == "" {
			return Revision{Commit: ref.Commit}, nil
		}
	}

	e, err := r.open(ctx, "listing the references of "+r.name)
	if err != nil {
		return Revision{}, err
	}

	defer e.close()
	return e.refs.choose(ref, r.name)
}

// hash reads a commit that has been checked before.
func hash(commit string) plumbing.Hash { return plumbing.NewHash(commit) }
