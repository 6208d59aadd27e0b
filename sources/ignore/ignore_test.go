package ignore

import (
	"strings"
	"testing"
)

func TestLeavesOut(t *testing.T) {
	t.Parallel()
	own := "*.md\n!KEEP.md\n# a comment\n\n/root-only\ndocs/\n"
	all := "# nothing\n"
	for _, tt := range []struct {
		name  string
		spec  *string
		files map[string]string
		out   []string
		in    []string
	}{
		{"the usual", nil, nil, []string{".gitignore", "a/.gitmodules", "logo.png", "a/b/x.tar.gz", ".github/workflows/x.yaml", ".flux.yaml", ".sops.yaml"},
			[]string{"a.yaml", "charts/x.tgz", "a/.flux.yaml", "github/x.yaml"}},
		{"those of the spec alone", &own, map[string]string{".sourceignore": "*.yaml"}, []string{"README.md", "a/README.md", "root-only", "docs/a.yaml", "a/docs/x"},
			[]string{"KEEP.md", "a/KEEP.md", "a/root-only", "a.yaml", "logo.png"}},
		{"none", &all, nil, nil, []string{"logo.png", ".gitignore"}},
		{"those of files, and the usual ones", nil, map[string]string{".sourceignore": "\ufefftests/\r\n*.txt\r\n", "keep/.sourceignore": "!*.txt\n*.log\n"},
			[]string{"tests/a.yaml", "a/tests/x", "a.txt", "a/b.txt", "keep/a.log", "keep/b/a.log", "logo.png"}, []string{"keep/a.txt", "keep/b/a.txt", "a.log", "a.yaml"}},
		{"a directory cannot be half in", nil, map[string]string{".sourceignore": "/*\n!/deploy\n"}, []string{"a.yaml", "src/deploy/a.yaml"}, []string{"deploy/a.yaml", "deploy/b/c.yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string][]byte{}
			for name, content := range tt.files {
				files[name] = []byte(content)
			}
			rules, err := New(tt.spec, files)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range tt.out {
				if !rules.LeavesOut(file) {
					t.Errorf("%s is not left out", file)
				}
			}
			for _, file := range tt.in {
				if rules.LeavesOut(file) {
					t.Errorf("%s is left out", file)
				}
			}
		})
	}
	if (Rules{}).LeavesOut("a") {
		t.Error("no rules leave something out")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	long, many := strings.Repeat("x", maxLength+1), strings.Repeat("x\n", maxPatterns+1)
	for _, spec := range []*string{&long, &many} {
		if _, err := New(spec, nil); err == nil || !strings.Contains(err.Error(), "there may be") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := New(nil, map[string][]byte{".sourceignore": []byte(many)}); err == nil {
		t.Error("too many patterns of files are accepted")
	}
}

func FuzzPatterns(f *testing.F) {
	f.Add("*.md\n!a\n/b/\n**/c", "a/b/c.md")
	f.Add("[", "a")
	f.Add("***/**/[!a-z]\\", "x/y")
	f.Fuzz(func(_ *testing.T, patterns, file string) {
		if rules, err := New(&patterns, nil); err == nil {
			rules.LeavesOut(file)
		}
		if rules, err := New(nil, map[string][]byte{"a/.sourceignore": []byte(patterns)}); err == nil {
			rules.LeavesOut(file)
		}
	})
}
