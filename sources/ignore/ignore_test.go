package ignore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

var tree = []string{
	"README.md", "a.txt", "app.yaml", "deploy/app.yaml", "deploy/logo.png", "deploy/test/app.yaml",
	"deploy/test/deep/er/x.yaml",
	".sourceignore", ".gitignore", "sub/.gitmodules", ".git/config", ".github/workflows/ci.yaml", "x/.github/y",
	".flux.yaml", "sub/.flux.yaml",
	"sub/.sops.yaml", "sub/release.tar.gz", "test/x.yaml", "sub/test/x.yaml", "sub/test.yaml", "sub/a.txt", "a b.txt",
	"#x", "!y",
}

// left returns the files of the tree that are not ignored.
func left(m Matcher, files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(name string) bool { return m.Match(name, false) })
}

func TestMatch(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	tests := []struct {
		name  string
		spec  *string
		files map[string]string
		want  []string
	}{
		{name: "the defaults", want: []string{
			"README.md", "a.txt", "app.yaml", "deploy/app.yaml", "deploy/test/app.yaml", "deploy/test/deep/er/x.yaml",
			".sourceignore", "sub/.flux.yaml", "test/x.yaml", "sub/test/x.yaml", "sub/test.yaml", "sub/a.txt", "a b.txt", "#x",
			"!y",
		}},
		{name: "files come on top of the defaults and are for their directory",
			files: map[string]string{
				".sourceignore":        "# text\n\n*.txt\r\n[#!]*\ntest/\n!.flux.yaml\n",
				"deploy/.sourceignore": "/test/deep\n!logo.png\n", "x/.sourceignore": "*",
			},
			want: []string{
				"README.md", "app.yaml", "deploy/app.yaml", "deploy/logo.png", ".sourceignore", ".flux.yaml", "sub/.flux.yaml",
				"sub/test.yaml",
			}},
		{name: "the deepest file wins",
			files: map[string]string{
				"deploy/test/.sourceignore": "!app.yaml", "deploy/.sourceignore": "*", ".sourceignore": "/*\n!/deploy",
			},
			want: []string{"deploy/test/app.yaml"}},
		{name: "spec.ignore counts instead of files and defaults", spec: text("/*\n!/deploy\n"),
			files: map[string]string{".sourceignore": "*.yaml"},
			want:  []string{"deploy/app.yaml", "deploy/logo.png", "deploy/test/app.yaml", "deploy/test/deep/er/x.yaml"}},
		{name: "an empty spec.ignore leaves out version control alone", spec: text(""),
			files: map[string]string{".sourceignore": "*"},
			want: slices.DeleteFunc(slices.Clone(tree), func(s string) bool {
				return slices.Contains([]string{".gitignore", "sub/.gitmodules", ".git/config"}, s)
			})},
		{
			name: "what version control leaves out can be taken back", spec: text("*\n!.gitmodules"),
			want: []string{"sub/.gitmodules"},
		},
		{
			name: "two stars behind the first slash are everything", spec: text("/**\n!app.yaml"),
			want: []string{"app.yaml", "deploy/app.yaml", "deploy/test/app.yaml"},
		},
		{name: "a byte order mark is no part of a pattern", spec: text("\ufeff*\n!/a.txt"), want: []string{"a.txt"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, err := New(test.spec, bytesOf(test.files))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, left(m, tree)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if (Matcher{}).Match("x.png", false) {
		t.Error("the zero matcher ignores something")
	}
}

func bytesOf(files map[string]string) map[string][]byte {
	all := map[string][]byte{}
	for name, content := range files {
		all[name] = []byte(content)
	}
	return all
}

// TestPatternsAreGits compares with git for the patterns on which this package and git agree.
func TestPatternsAreGits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, "", "init", "--quiet")
	names := slices.DeleteFunc(slices.Clone(tree), func(name string) bool { return strings.HasPrefix(name, ".git/") })
	for _, patterns := range []string{
		"*.txt", "/*.txt", "test", "test/", "/test", "deploy/test", "deploy/*", "deploy/*/app.yaml", "**/test/", "deploy/**",
		"deploy/**/x.yaml",
		"/**", "**", "a b.txt", "a b.txt   ", "a\\ b.txt", "\\#x", "\\!y", "[ab]*", "?.txt", "a**xt", "sub/t**t.yaml",
		"*.yaml\n!/app.yaml", "", "#x", "!x", "/",
	} {
		write(t, filepath.Join(dir, ".gitignore"), patterns+"\n")
		out := git(t, dir, strings.Join(names, "\n")+"\n", "-c", "core.quotepath=off", "-c", "core.excludesfile=/dev/null",
			"check-ignore", "--no-index", "--stdin")
		ignored := strings.Split(strings.TrimSpace(out), "\n")
		r := &reader{}
		if problem := r.read(patterns, nil); problem != "" {
			t.Errorf("%q: %s", patterns, problem)
			continue
		}
		for _, name := range names {
			if got, want := r.matcher.Match(name, false), slices.Contains(ignored, name); got != want {
				t.Errorf("%q ignores %q: %v, git says %v", patterns, name, got, want)
			}
		}
	}
}

func git(t *testing.T, dir, in string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1 is "nothing is ignored"
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, says string }{
		"a long text":           {strings.Repeat("#", MaxFileBytes+1), "more than 131072 bytes"},
		"many patterns":         {strings.Repeat("x\n", MaxPatterns+1), "more than 1000"},
		"a long pattern":        {"a\n" + strings.Repeat("x", MaxPatternBytes+1), "more than 1024 bytes in line 2"},
		"a bracket left open":   {"ok\n\n!dir/[a.yaml\n", `cannot be read in line 3: "!dir/[a.yaml"`},
		"a backslash at an end": {"x\\", "cannot be read in line 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New(&test.text, nil)
			wantError(t, err, v1beta1.InvalidReferenceReason, false, "spec.ignore", test.says)
			_, err = New(nil, map[string][]byte{"a/.sourceignore": []byte(test.text)})
			wantError(t, err, v1beta1.InvalidContentReason, true, `"a/.sourceignore"`, test.says)
		})
	}
	many := map[string][]byte{}
	for i := range MaxPatterns + 1 {
		many[fmt.Sprintf("%d/.sourceignore", i)] = []byte("x")
	}
	_, err := New(nil, many)
	wantError(t, err, v1beta1.InvalidContentReason, true, "more than 1000")
}

func wantError(t *testing.T, err error, reason string, retryable bool, says ...string) {
	t.Helper()
	var e *sources.Error
	if !errors.As(err, &e) || e.Reason() != reason || e.Retryable() != retryable {
		t.Fatalf("got %v, want reason %s", err, reason)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func FuzzNew(f *testing.F) {
	f.Add("*.txt\n!/a/**/b\n", "a/x/b", "a/.sourceignore", true)
	f.Add("/**\n[a-\\]]\n\\ \n", "#", "../.sourceignore", false)
	f.Add("!\n/\n//\n!/", "", "", false)
	f.Add("a**\n**/\n***", "/", ".sourceignore", true)
	f.Fuzz(func(t *testing.T, text, name, file string, isDir bool) {
		fromSpec, specErr := New(&text, nil)
		fromFile, fileErr := New(nil, map[string][]byte{file: []byte(text)})
		if (specErr == nil) != (fileErr == nil) {
			t.Fatalf("%v and %v", specErr, fileErr)
		}
		// Matching never panics, whatever the path is.
		fromSpec.Match(name, isDir)
		before := fromFile.Match(name, isDir)
		// The file's patterns have no say outside of its directory.
		plain, err := New(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := strings.TrimPrefix(path.Dir(path.Clean("/"+file)), "/")
		if dir != "" && !strings.HasPrefix(name, dir+"/") && before != plain.Match(name, isDir) {
			t.Fatalf("%q of %q decides about %q", text, file, name)
		}
	})
}
