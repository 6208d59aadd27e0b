package git

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

const repository = "team/apps"

func serve(t *testing.T, o servers.Options) *servers.Git {
	t.Helper()
	server, err := servers.GitServer(t.TempDir(), o)
	if err != nil {
		t.Fatalf("git is needed, with its http-backend: %v", err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if _, err := server.Create(repository); err != nil {
		t.Fatal(err)
	}
	return server
}

func commit(t *testing.T, server *servers.Git, branch string, files map[string]string) string {
	t.Helper()
	sha, err := server.Commit(repository, branch, files, "change")
	if err != nil {
		t.Fatal(err)
	}
	return sha
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, server *servers.Git, change func(*Options)) *Remote {
	t.Helper()
	o := Options{URL: server.URL(repository)}
	if change != nil {
		change(&o)
	}
	r, err := New(o)
	must(t, err)
	return r
}

func fetch(t *testing.T, r *Remote, rev Revision) []byte {
	t.Helper()
	var out bytes.Buffer
	_, err := r.Fetch(t.Context(), rev, &out)
	must(t, err)
	return out.Bytes()
}

// list shows an archive: mode, name, and the content or the target of a link.
func list(t *testing.T, archive []byte) []string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	var lines []string
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err == io.EOF {
			return lines
		}
		must(t, err)
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uid != 0 || h.Gid != 0 || h.Uname != "" {
			t.Errorf("%s has a time or an owner: %+v", h.Name, h)
		}
		content, err := io.ReadAll(r)
		must(t, err)
		lines = append(lines, fmt.Sprintf("%o %s %s%s", h.Mode, h.Name, content, h.Linkname))
	}
}

func TestResolve(t *testing.T) {
	server := serve(t, servers.Options{})
	first := commit(t, server, "main", map[string]string{"a": "1"})
	second := commit(t, server, "main", map[string]string{"a": "2"})
	dev := commit(t, server, "dev", map[string]string{"a": "3"})
	must(t, server.Tag(repository, "v1.0.0", first, ""))
	must(t, server.Tag(repository, "v1.1.0", second, "an annotated tag"))
	must(t, server.Tag(repository, "v2.0.0-rc.1", dev, ""))
	must(t, server.Tag(repository, "stable", first, "an annotated tag"))
	must(t, server.SetRef(repository, "refs/pull/420/head", dev))
	tests := []struct {
		name     string
		ref      Ref
		want     string // the revision's text, "" for a failure
		reason   string
		says     []string
		requests int
	}{
		{name: "a branch", ref: Ref{Branch: "main"}, want: "main@sha1:" + second, requests: 1},
		{name: "a tag", ref: Ref{Tag: "v1.0.0", Branch: "dev"}, want: "v1.0.0@sha1:" + first, requests: 1},
		{name: "an annotated tag is followed", ref: Ref{Tag: "stable"}, want: "stable@sha1:" + first, requests: 1},
		{name: "a range of tags", ref: Ref{SemVer: ">=1.0.0", Tag: "stable"}, want: "v1.1.0@sha1:" + second, requests: 1},
		{name: "a range with pre-releases", ref: Ref{SemVer: ">=1.0.0-0"}, want: "v2.0.0-rc.1@sha1:" + dev, requests: 1},
		{
			name: "a full name", ref: Ref{Name: "refs/pull/420/head", SemVer: "*"}, want: "refs/pull/420/head@sha1:" + dev,
			requests: 1,
		},
		{name: "the default branch by its name", ref: Ref{Name: "HEAD"}, want: "HEAD@sha1:" + second, requests: 1},
		{
			name: "a commit needs no request", ref: Ref{Commit: first, Name: "refs/heads/dev"}, want: "sha1:" + first,
			requests: 0,
		},
		{name: "a commit of a branch", ref: Ref{Commit: first, Branch: "main"}, want: "main@sha1:" + first, requests: 1},
		{
			name: "nothing means master, which is not there", reason: v1beta1.NotFoundReason,
			says: []string{`no branch "master"`, "dev, main"}, requests: 1,
		},
		{
			name: "an unknown branch", ref: Ref{Branch: "mian"}, reason: v1beta1.NotFoundReason,
			says: []string{`no branch "mian"`, "dev, main"}, requests: 1,
		},
		{
			name: "an unknown tag", ref: Ref{Tag: "v3"}, reason: v1beta1.NotFoundReason,
			says: []string{`no tag "v3"`, "stable, v1.0.0"}, requests: 1,
		},
		{
			name: "an unknown name", ref: Ref{Name: "refs/x"}, reason: v1beta1.NotFoundReason,
			says: []string{`no reference "refs/x"`}, requests: 1,
		},
		{
			name: "an unknown branch of a commit", ref: Ref{Commit: first, Branch: "x"}, reason: v1beta1.NotFoundReason,
			says: []string{`no branch "x"`}, requests: 1,
		},
		{
			name: "a range without a tag", ref: Ref{SemVer: ">=3"}, reason: v1beta1.NoMatchReason,
			says: []string{"v2.0.0-rc.1", "v1.1.0"}, requests: 1,
		},
		{
			name: "a commit that is cut short", ref: Ref{Commit: first[:7]}, reason: v1beta1.InvalidReferenceReason, requests: 0,
		},
		{name: "a range that is none", ref: Ref{SemVer: "latest"}, reason: v1beta1.InvalidReferenceReason, requests: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server.Forget()
			rev, err := open(t, server, nil).Resolve(t.Context(), test.ref)
			if n := len(server.Seen()); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
			if test.want == "" {
				check.Failure(t, err, test.reason, test.says...)
			} else if err != nil || rev.String() != test.want {
				t.Errorf("got %s, %v; want %s", rev, err, test.want)
			}
		})
	}
}

func TestFailuresOfAServer(t *testing.T) {
	private := servers.Options{Username: "u", Password: "p"}
	answer := func(code int, header, value string) servers.Options {
		return servers.Options{Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set(header, value)
			w.WriteHeader(code)
			return true
		}}
	}
	tests := []struct {
		name   string
		server servers.Options
		change func(*Options)
		reason string
		after  time.Duration
		says   []string
	}{
		{
			name: "no credentials", server: private, reason: v1beta1.AuthenticationFailedReason,
			says: []string{"/team/apps.git", "401"},
		},
		{name: "wrong credentials", server: private, change: func(o *Options) {
			o.Credentials = sources.Credentials{Username: "u", Password: "hunter2"}
		}, reason: v1beta1.AuthenticationFailedReason, says: []string{"401"}},
		{name: "an unknown repository", change: func(o *Options) {
			o.URL += "-other"
		}, reason: v1beta1.NotFoundReason,
			says: []string{"repository http://", "apps.git-other not found, or the credentials may not read it"}},
		{name: "nothing listens", change: func(o *Options) {
			o.URL = "http://127.0.0.1:1/team/apps.git"
		}, reason: v1beta1.FetchFailedReason,
			says: []string{"repository http://127.0.0.1:1/team/apps.git cannot be reached: connection refused"}},
		{name: "an empty repository", reason: v1beta1.NotFoundReason, says: []string{"the repository is empty"}},
		{
			name: "a server that asks for a pause", server: answer(429, "Retry-After", "9"), reason: v1beta1.FetchFailedReason,
			after: 9 * time.Second, says: []string{"429"},
		},
		{name: "a server that fails", server: answer(500, "X", ""), reason: v1beta1.FetchFailedReason, says: []string{"500"}},
		{
			name:   "a redirect to a metadata service",
			server: answer(302, "Location", "http://169.254.169.254/info/refs?secret=hunter2"),
			reason: v1beta1.URLInvalidReason, says: []string{"refused"},
		},
		{
			name: "a server that speaks no Git", server: answer(200, "X", ""), reason: v1beta1.FetchFailedReason,
			says: []string{"empty"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := serve(t, test.server)
			_, err := open(t, server, test.change).Resolve(t.Context(), Ref{Branch: "main"})
			e := check.Failure(t, err, test.reason, test.says...)
			if e.RetryAfter() != test.after || !e.Retryable() || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("retry after %s, retryable %v: %v", e.RetryAfter(), e.Retryable(), err)
			}
		})
	}
}

// The short form of scp is not taken: its path begins in a home directory, and it has no port. What to write is named.
func TestTheShortFormOfSCP(t *testing.T) {
	for u, says := range map[string]string{
		"git@github.com:org/fleet.git":      "write ssh://git@github.com/org/fleet.git",
		"deploy@git.example.com:/srv/fleet": "write ssh://deploy@git.example.com/srv/fleet",
		"git@host:~me/fleet":                "write ssh://git@host/~me/fleet",
		"-oProxyCommand=id@host:fleet":      "cannot be parsed",
		"-oX@host:fleet":                    "cannot be parsed",
		"git@-oX:fleet":                     "cannot be parsed",
		"git:hunter2@host:fleet":            "instead of",
		"git@host:a b":                      "cannot be parsed",
	} {
		_, err := New(Options{URL: u})
		if e := check.Failure(t, err, v1beta1.URLInvalidReason, says); e.Retryable() || strings.Contains(err.Error(),
			"hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

func TestURLsThatCannotBeUsed(t *testing.T) {
	for _, u := range []string{
		"", "ftp://host/x", "file:///x", "https://u:hunter2@host/x", "http://169.254.169.254/x",
		"https://host/x?token=hunter2",
	} {
		_, err := New(Options{URL: u})
		if e := check.Failure(t, err, v1beta1.URLInvalidReason); e.Retryable() || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", u, err)
		}
	}
}
