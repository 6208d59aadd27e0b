package install

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Files are written only where they differ, so that nothing is committed when nothing changes.
func TestFilesAreWrittenWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	work := memfs.New()
	files := map[string][]byte{"a.yaml": []byte("a"), "b.yaml": []byte("b")}
	for _, want := range []bool{true, false} {
		if different, err := put(work, "clusters/a", files); err != nil || different != want {
			t.Errorf("different %t, error %v, want %t", different, err, want)
		}
	}
	files["b.yaml"] = []byte("c")
	if different, err := put(work, "clusters/a", files); err != nil || !different {
		t.Errorf("different %t, error %v", different, err)
	}
	if content, err := readFile(work, "clusters/a/b.yaml"); err != nil || string(content) != "c" {
		t.Errorf("it has %q, error %v", content, err)
	}
}

// An error of a repository says what to do.
func TestRepositoryErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	r := Repository{URL: "https://git.example.com/fleet", Branch: "main"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{err: transport.ErrAuthenticationRequired, want: "name a token that may read and write it"},
		{err: transport.ErrAuthorizationFailed, want: "the token is not allowed to"},
		{err: transport.ErrRepositoryNotFound, want: "create it first"},
		{err: git.NoMatchingRefSpecError{}, want: "it has no branch main"},
		{err: git.ErrNonFastForwardUpdate, want: "others push to branch main"},
		{err: errors.New("command error on refs/heads/main: refused"), want: "is branch main protected?"},
		{err: errors.New("something else"), want: "pushing to https://git.example.com/fleet: something else"},
	} {
		if err := r.failed("pushing to", tt.err); !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.err, err, tt.want)
		}
	}
}
