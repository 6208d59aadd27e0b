package git

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/check"
	"fairlead.dev/fairlead/test/servers"
)

func TestFetchWritesTheTree(t *testing.T) {
	server := serve(t, servers.Options{Username: "u", Password: "p"})
	long := strings.Repeat("directory/", 15) + "file"
	_, err := server.CommitFiles(repository, "main", map[string]servers.File{
		"z":          {Content: "old"},
		"gone":       {Content: "x"},
		"run.sh":     {Content: "#!/bin/sh", Executable: true},
		"a/b":        {Content: "b"},
		"a-b":        {Content: "sorted before a/b"},
		long:         {Content: "deep"},
		"empty":      {},
		"link":       {Content: "a/b", Link: true},
		"a/up":       {Content: "../z", Link: true},
		"a/dangling": {Content: "nothing", Link: true},
		"out":        {Content: "../../etc/passwd", Link: true},
		"absolute":   {Content: "/etc/passwd", Link: true},
		"a/root":     {Content: "..", Link: true},
		"a/crafty":   {Content: "root/../x", Link: true},
		"a/loop":     {Content: "loop", Link: true},
	}, "files")
	must(t, err)
	commit(t, server, "main", map[string]string{"z": "new", "gone": ""})
	r := open(t, server, func(o *Options) { o.Credentials = sources.Credentials{Username: "u", Password: "p"} })
	rev, err := r.Resolve(t.Context(), Ref{Branch: "main"})
	must(t, err)
	server.Forget()
	archive := fetch(t, r, rev)
	want := []string{
		"644 a-b sorted before a/b",
		"644 a/b b",
		"777 a/dangling nothing",
		"777 a/root ..",
		"777 a/up ../z",
		"644 " + long + " deep",
		"644 empty ",
		"777 link a/b",
		"755 run.sh #!/bin/sh",
		"644 z new",
	}
	if diff := cmp.Diff(want, list(t, archive)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"GET": 1, "POST": 1}, server.Requests()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if again := fetch(t, r, rev); !bytes.Equal(archive, again) {
		t.Error("the same tree gives other bytes")
	}
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	must(t, err)
	if diff := cmp.Diff([]string{"a/crafty", "a/loop", "absolute", "out"}, decodeLeftOut(zip.Extra)); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

// refuseHashes makes a server refuse a commit that it does not list, as many do.
func refuseHashes(commit *string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("want "+*commit)) {
			message := "ERR upload-pack: not our ref " + *commit
			_, _ = fmt.Fprintf(w, "%04x%s", len(message)+4, message)
			return true
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return false
	}
}

func TestFetchFindsCommits(t *testing.T) {
	var refused string
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		return refused != "" && refuseHashes(&refused)(w, r)
	}})
	first := commit(t, server, "main", map[string]string{"f": "first"})
	second := commit(t, server, "main", map[string]string{"f": "second"})
	third := commit(t, server, "main", map[string]string{"f": "third"})
	dev := commit(t, server, "dev", map[string]string{"f": "dev"})
	must(t, server.Tag(repository, "v1", second, "an annotated tag"))
	must(t, server.SetRef(repository, "refs/pull/1/head", dev))
	lost := commit(t, server, "temporary", map[string]string{"f": "lost"})
	must(t, server.SetRef(repository, "refs/heads/temporary", ""))
	tests := []struct {
		name    string
		rev     Revision
		refuse  string // the commit the server does not hand out by its hash
		filters bool   // the server can leave files out
		want    string // the file's content, "" for NotFound
		posts   int
	}{
		{name: "the tip of a branch", rev: Revision{"main", third}, want: "third", posts: 1},
		{name: "an annotated tag", rev: Revision{"v1", second}, want: "second", posts: 1},
		{
			name: "an annotated tag of a server that hands out what it lists", rev: Revision{"v1", second}, refuse: second,
			want: "second", posts: 1,
		},
		{name: "a full name", rev: Revision{"refs/pull/1/head", dev}, want: "dev", posts: 1},
		{name: "a commit in the history", rev: Revision{"", first}, want: "first", posts: 1},
		{
			name: "a commit that is not handed out by its hash", rev: Revision{"", first}, refuse: first, want: "first",
			posts: 2,
		},
		{name: "a commit of a branch", rev: Revision{"main", first}, want: "first", posts: 1},
		{
			name: "a commit of a branch, told by the commits alone", rev: Revision{"main", first}, filters: true, want: "first",
			posts: 2,
		},
		{name: "a commit of another branch", rev: Revision{"dev", first}, posts: 1},
		{name: "a commit of another branch, told by the commits alone", rev: Revision{"dev", first}, filters: true, posts: 1},
		{name: "a branch that has moved on since", rev: Revision{"main", second}, filters: true, want: "second", posts: 2},
		{name: "a commit that no branch has", rev: Revision{"", lost}, posts: 2},
		{name: "a branch that is gone", rev: Revision{"temporary", lost}, posts: 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused = test.refuse
			must(t, server.Config(repository, "uploadpack.allowFilter", fmt.Sprint(test.filters)))
			server.Forget()
			var out bytes.Buffer
			_, err := open(t, server, nil).Fetch(t.Context(), test.rev, &out)
			if n := server.Requests()["POST"]; n != test.posts {
				t.Errorf("%d packs were asked for, want %d", n, test.posts)
			}
			if test.want == "" {
				check.Failure(t, err, v1beta1.NotFoundReason, test.rev.Commit)
				return
			}
			must(t, err)
			if got := list(t, out.Bytes()); !slices.Contains(got, "644 f "+test.want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestFetchIsBounded(t *testing.T) {
	server := serve(t, servers.Options{})
	// Bytes that compress well: the pack is small, the files are not.
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("d%d/f%d", i, i)] = strings.Repeat("x", 100_000) + fmt.Sprint(i)
	}
	sha := commit(t, server, "main", files)
	for name, limits := range map[string]Limits{
		"one file above the limit":       {Bytes: 99_999},
		"all files above the limit":      {Bytes: 1_500_000},
		"more files than allowed":        {Files: 19},
		"more references than allowed":   {References: 1},
		"a pack that is above the limit": {Bytes: 100},
	} {
		t.Run(name, func(t *testing.T) {
			if limits.References == 1 {
				must(t, server.Tag(repository, "one-more", sha, ""))
			}
			_, err := open(t, server, func(o *Options) {
				o.Limits = limits
			}).Fetch(t.Context(), Revision{"main", sha}, io.Discard)
			check.Failure(t, err, v1beta1.InvalidContentReason)
		})
	}
	_, err := open(t, server, func(o *Options) {
		o.Limits = Limits{Bytes: 2_100_000, Files: 40}
	}).Fetch(t.Context(), Revision{"main", sha}, io.Discard)
	must(t, err)
}

func TestBrokenTransfers(t *testing.T) {
	fault := ""
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		switch fault {
		case "cut":
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, "0008NAK\n")
		case "garbage":
			_, _ = io.WriteString(w, "0008NAK\n001e\x01PACK\x00\x00\x00\x02\x00\x00\x00\x01garbage!!0000")
		case "nothing":
		}
		return true
	}})
	sha := commit(t, server, "main", map[string]string{"f": "1"})
	for name, reason := range map[string]string{"cut": v1beta1.FetchFailedReason, "garbage": "", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			fault = name
			_, err := open(t, server, nil).Fetch(t.Context(), Revision{"main", sha}, io.Discard)
			if err == nil || sources.Reason(err) == "" || reason != "" && sources.Reason(err) != reason {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	seen := false
	other := serve(t, servers.Options{Intercept: func(_ http.ResponseWriter, r *http.Request) bool {
		seen = seen || r.Header.Get("Authorization") != ""
		return false
	}})
	sha := commit(t, other, "main", map[string]string{"f": "1"})
	server := serve(t, servers.Options{Intercept: func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://"+other.Host()+r.URL.RequestURI(), http.StatusFound)
		return true
	}})
	r := open(t, server, func(o *Options) { o.Credentials = sources.Credentials{Username: "u", Password: "p"} })
	rev, err := r.Resolve(t.Context(), Ref{Branch: "main"})
	if err != nil || rev.Commit != sha {
		t.Fatalf("got %s, %v", rev, err)
	}
	fetch(t, r, rev)
	if seen {
		t.Error("the credentials were sent to the other host")
	}
}
