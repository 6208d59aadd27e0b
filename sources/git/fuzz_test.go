package git

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/sources"
)

func FuzzPackChart(f *testing.F) {
	f.Add(tree(f, repo), "charts/app")
	f.Add(tree(f, with(repo, map[string]string{"charts/app/x": "-> ../../l", "l/a": "-> ."}), "charts/x"), ".")
	f.Add([]byte("\x1f\x8b"), "../x")
	f.Add(tree(f, map[string]string{"Chart.yaml": "x"}), "")
	f.Fuzz(func(t *testing.T, archive []byte, path string) {
		c, err := PackChart(bytes.NewReader(archive), path, io.Discard, Limits{Bytes: 1 << 20, Files: 200})
		if err != nil && sources.Reason(err) == "" || err == nil && !sources.IsDigest(c.Digest) {
			t.Fatalf("got %+v, %v", c, err)
		}
	})
}

func TestDependenciesAreNoChartsOfTheirOwn(t *testing.T) {
	l := layout{
		names: []string{
			"a-b/Chart.yaml", "a/Chart.yaml", "a/charts/dep/Chart.yaml", "a/charts/dep/charts/x/Chart.yaml",
			"charts/c/Chart.yaml",
		},
	}
	if diff := cmp.Diff([]string{"a", "a-b", "charts/c"}, l.charts()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzLayout feeds trees of links: the archive's own checksums would keep a fuzzer from getting past the decompressor.
func FuzzLayout(f *testing.F) {
	f.Add("charts/app/x\n../../l\nl/a\n.\nl/b\n..", "Chart.yaml\ncharts/app/Chart.yaml", "charts/app")
	f.Add("a\nb\nb\na", "Chart.yaml", "a")
	f.Fuzz(func(t *testing.T, links, names, path string) {
		files := map[string]string{}
		for name := range strings.SplitSeq(names, "\n") {
			files[name] = chartYAML
		}
		parts := strings.Split(links, "\n")
		for i := 0; i+1 < len(parts); i += 2 {
			files[parts[i]] = "-> " + parts[i+1]
		}
		for name, content := range files {
			if !printable(name) || strings.HasSuffix(name, "/") ||
				!printable(strings.TrimPrefix(content, "-> ")) && strings.HasPrefix(content, "-> ") {
				return
			}
		}
		_, err := PackChart(bytes.NewReader(tree(t, files)), path, io.Discard, Limits{Files: 200})
		if err != nil && sources.Reason(err) == "" {
			t.Fatalf("an error without a reason: %v", err)
		}
	})
}

func printable(s string) bool {
	return s != "" && len(s) < 100 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func FuzzReadPack(f *testing.F) {
	store := memory.NewStorage()
	var hashes []plumbing.Hash
	for _, content := range []string{"one", "one and more of it", strings.Repeat("x", 1000)} {
		o := &plumbing.MemoryObject{}
		o.SetType(plumbing.BlobObject)
		_, _ = o.Write([]byte(content))
		h, err := store.SetEncodedObject(o)
		if err != nil {
			f.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	var raw bytes.Buffer
	if _, err := packfile.NewEncoder(&raw, store, false).Encode(hashes, 10); err != nil {
		f.Fatal(err)
	}
	f.Add(raw.Bytes())
	f.Add([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := readPack(bytes.NewReader(content), Limits{Bytes: 1 << 20, Files: 100}, func(int64) error { return nil })
		if err != nil {
			return
		}
		for _, h := range hashes {
			_, _ = p.tree(h)
		}
	})
}
