package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
)

var (
	errLarge = errors.New("too large")
	errMany  = errors.New("too many")
)

// packed is a tar.gz with files of so many bytes.
func packed(t *testing.T, sizes ...int) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	zip.Extra = []byte("extra")
	w := tar.NewWriter(zip)
	for _, size := range sizes {
		if err := w.WriteHeader(&tar.Header{Name: "a", Mode: 0o600, Size: int64(size)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// drain reads all of an archive, and returns how many entries it has and the bytes in them.
func drain(b *Budget, content []byte) (entries int, size int64, err error) {
	r, err := b.Open(bytes.NewReader(content))
	if err != nil {
		return 0, 0, err
	}
	for {
		_, err := r.Next()
		if errors.Is(err, io.EOF) {
			return entries, size, nil
		}
		if err != nil {
			return entries, size, err
		}
		n, err := io.Copy(io.Discard, r)
		size += n
		if err != nil {
			return entries, size, err
		}
		entries++
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	const exactly = 512 + 1024 + 2*512 // a header, the content, and the two blocks at the end
	for _, tt := range []struct {
		name    string
		content []byte
		budget  Budget
		want    error
	}{
		{"exactly the bytes", packed(t, 1024), Budget{Bytes: exactly, TooLarge: errLarge}, nil},
		{"a byte more", packed(t, 1024), Budget{Bytes: exactly - 1, TooLarge: errLarge}, errLarge},
		{"a bomb", packed(t, 10<<20), Budget{Bytes: 1 << 10, TooLarge: errLarge}, errLarge},
		{
			"exactly the entries", packed(t, 1, 1), Budget{Bytes: 1 << 20, TooLarge: errLarge, Entries: 2, TooMany: errMany},
			nil,
		},
		{
			"an entry more", packed(t, 1, 1, 1), Budget{Bytes: 1 << 20, TooLarge: errLarge, Entries: 2, TooMany: errMany},
			errMany,
		},
		{"entries without a bound", packed(t, 1, 1, 1), Budget{Bytes: 1 << 20, TooLarge: errLarge}, nil},
		{"no gzip", []byte("this is no archive at all"), Budget{Bytes: 1 << 20}, gzip.ErrHeader},
		{"cut off", packed(t, 1024)[:60], Budget{Bytes: 1 << 20}, io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := drain(&tt.budget, tt.content); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// Archives in an archive spend the same budget.
func TestASharedBudget(t *testing.T) {
	t.Parallel()
	budget := &Budget{Bytes: 4 << 10, TooLarge: errLarge, Entries: 10, TooMany: errMany}
	if entries, size, err := drain(budget, packed(t, 1000)); err != nil || entries != 1 || size != 1000 {
		t.Fatalf("%d entries, %d bytes, %v", entries, size, err)
	}
	if _, _, err := drain(budget, packed(t, 1000)); !errors.Is(err, errLarge) {
		t.Errorf("the second archive has a budget of its own: %v", err)
	}
	if budget.Entries != 8 {
		t.Errorf("%d entries are left, want 8", budget.Entries)
	}
}

func TestExtraIsKept(t *testing.T) {
	t.Parallel()
	r, err := (&Budget{Bytes: 1 << 20}).Open(bytes.NewReader(packed(t, 1)))
	if err != nil || string(r.Extra) != "extra" {
		t.Errorf("%q, %v", r.Extra, err)
	}
}

func TestInside(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "a", "./a/../b": "b", "a//b/": "a/b", "..a": "..a", ".": ".",
		"..": "", "../a": "", "a/../../b": "", "/a": "", "/": "",
	} {
		got, inside := Inside(name)
		if inside != (want != "") || inside && got != want {
			t.Errorf("%q: %q, %t", name, got, inside)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	links := map[string]string{
		"out": "../x", "abs": "/etc", "loop": "loop", "dir": "a/b", "a/up": "..", "deep": "dir/c", "root": ".",
		"there": "dir/../c", // behind a link: a/c, not c
	}
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"a/b", "a/b", nil},
		{"", "", nil},
		{"a/./b//c", "a/b/c", nil},
		{"dir/c", "a/b/c", nil},
		{"deep", "a/b/c", nil},
		{"a/up/z", "z", nil},
		{"root/z", "z", nil},
		{"there", "a/c", nil},
		{"out", "", ErrOutside},
		{"abs", "", ErrOutside},
		{"..", "", ErrOutside},
		{"a/up/../b", "", ErrOutside},
		{"loop", "", ErrLoop},
	} {
		got, err := Follow(tt.name, func(path string) (string, bool) {
			target, ok := links[path]
			return target, ok
		})
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
}

// Links that multiply end, and nothing leads out.
func FuzzFollow(f *testing.F) {
	f.Add("a/../b", "b", "../c")
	f.Add("x/x/x/x", "x", "x/x")
	f.Fuzz(func(t *testing.T, name, link, target string) {
		at, err := Follow(name, func(path string) (string, bool) { return target, path == link })
		if err == nil && (strings.HasPrefix(at, "/") || at == ".." || strings.HasPrefix(at, "../")) {
			t.Errorf("%q leads to %q", name, at)
		}
	})
}
