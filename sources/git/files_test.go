package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

var valuesTree = map[string]string{
	"values.yaml":            "top: 1\n",
	"env/prod/b.yaml":        "b: 1\n",
	"env/prod/a.yaml":        "a: 1\n",
	"env/prod/a10.yaml":      "a: 10\n",
	"env/prod/a2.yaml":       "a: 2\n",
	"env/prod/deep/c.yaml":   "c: 1\n",
	"env/prod/notes.txt":     "notes",
	"env/dev/a.yaml":         "dev: 1\n",
	"env/current":            "-> prod",
	"env/prod/link.yaml":     "-> ../dev/a.yaml",
	"env/prod/dir.yaml":      "-> deep",
	"env/prod/dangling.yaml": "-> nowhere.yaml",
	".hidden/values.yaml":    "hidden: 1\n",
	"loop/x.yaml":            "-> y.yaml",
	"loop/y.yaml":            "-> x.yaml",
}

var someFiles = FileLimits{Files: 10, Bytes: 1 << 10}

// What a pattern matches is in lexical order, and a link counts as the file behind it.
func TestReadFiles(t *testing.T) {
	t.Parallel()
	archive := tree(t, valuesTree, "env/dev/out.yaml")
	for pattern, want := range map[string]string{
		"values.yaml":           "values.yaml=top: 1",
		"./env//prod/a.yaml":    "env/prod/a.yaml=a: 1",
		".hidden/values.yaml":   ".hidden/values.yaml=hidden: 1",
		"env/prod/a*.yaml":      "env/prod/a.yaml=a: 1 env/prod/a10.yaml=a: 10 env/prod/a2.yaml=a: 2",
		"env/prod/[a-b].yaml":   "env/prod/a.yaml=a: 1 env/prod/b.yaml=b: 1",
		"env/prod/a?.yaml":      "env/prod/a2.yaml=a: 2",
		"env/*/deep/*.yaml":     "env/prod/deep/c.yaml=c: 1",
		"env/prod[^x]deep/*":    "",
		"env/current/b.yaml":    "env/current/b.yaml=b: 1",
		"env/current/d*/c.yaml": "env/current/deep/c.yaml=c: 1",
		"env/prod/l*.yaml":      "env/prod/link.yaml=dev: 1",
		"env/prod/*.txt":        "env/prod/notes.txt=notes",
		"env/prod/d*.yaml":      "",
		"env/prod":              "",
		"*.yml":                 "",
	} {
		files, err := ReadFiles(bytes.NewReader(archive), pattern, someFiles)
		if want == "" {
			if sources.Reason(err) != v1beta1.NotFoundReason || !strings.Contains(err.Error(), "no file matches") {
				t.Errorf("%s: %v, error %v; want that no file matches", pattern, files, err)
			}
			continue
		}

		var got []string
		for _, file := range files {
			got = append(got, file.Path+"="+strings.TrimSpace(string(file.Content)))
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", pattern, err, diff)
		}
	}
}

func TestReadFilesRefuses(t *testing.T) {
	t.Parallel()
	invalid, content := v1beta1.InvalidReferenceReason, v1beta1.InvalidContentReason
	archive := tree(t, valuesTree, "env/dev/out.yaml")
	for pattern, want := range map[string]struct{ reason, says string }{
		"/etc/passwd":                {invalid, "must be relative and inside of the source"},
		"../values.yaml":             {invalid, "must be relative and inside of the source"},
		"env/../../values.yaml":      {invalid, "must be relative and inside of the source"},
		`env\prod`:                   {invalid, "must be relative and inside of the source"},
		"a\x00b":                     {invalid, "must be relative and inside of the source"},
		".":                          {invalid, "names no file"},
		"":                           {invalid, "names no file"},
		"env/**/a.yaml":              {invalid, "has **, which is not supported"},
		"env/[a.yaml":                {invalid, "is malformed"},
		strings.Repeat("a", 513):     {invalid, "has 513 bytes; up to 512 are allowed"},
		strings.Repeat("*a", 17):     {invalid, "more than the 16 wildcards"},
		"env/dev/o*.yaml":            {content, `the symbolic link "env/dev/out.yaml": it leads out of the repository`},
		"env/dev/out.yaml":           {content, "it leads out of the repository"},
		"loop/x.yaml":                {content, "it leads back to itself"},
		"env/prod/missing.yaml":      {v1beta1.NotFoundReason, "env/prod has a.yaml, a10.yaml, a2.yaml, b.yaml, dangling.yaml and 3 more files"},
		"missing.yaml":               {v1beta1.NotFoundReason, "the top directory has values.yaml"},
		"missing/values.yaml":        {v1beta1.NotFoundReason, "missing has no files"},
		"env/prod/link.yaml/../a.ya": {v1beta1.NotFoundReason, "no file matches"},
	} {
		files, err := ReadFiles(bytes.NewReader(archive), pattern, someFiles)
		if sources.Reason(err) != want.reason || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%.40q: %v, error %v; want %s: %s", pattern, files, err, want.reason, want.says)
		}
		var known *sources.Error
		if !errors.As(err, &known) || known.Retryable() == (want.reason == invalid) {
			t.Errorf("%.40q: a retry is said to help or not, wrongly: %v", pattern, err)
		}
	}
	if _, err := ReadFiles(strings.NewReader("no archive"), "a", someFiles); sources.Reason(err) != content {
		t.Errorf("no archive: %v", err)
	}
}

// The files are bounded in their number and in their bytes together; a link counts as often as it is there.
func TestReadFilesIsBounded(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("v/%d.yaml", i)] = strings.Repeat("x", 100)
	}
	files["links/a.yaml"], files["links/b.yaml"] = "-> ../v/0.yaml", "-> ../v/0.yaml"
	archive := tree(t, files)
	read := func(pattern string, l FileLimits) error {
		_, err := ReadFiles(bytes.NewReader(archive), pattern, l)
		return err
	}
	for _, tt := range []struct {
		pattern string
		limits  FileLimits
		says    string
	}{
		{"v/*.yaml", FileLimits{Files: 5, Bytes: 500}, ""},
		{"v/*.yaml", FileLimits{Files: 4, Bytes: 500}, `5 files match "v/*.yaml"; up to 4 are allowed`},
		{"v/*.yaml", FileLimits{Files: 5, Bytes: 499}, `the files that match "v/*.yaml" have more than the 499 bytes`},
		{"v/0.yaml", FileLimits{Files: 5, Bytes: 99}, "more than the 99 bytes"},
		{"links/*.yaml", FileLimits{Files: 5, Bytes: 200}, ""},
		{"links/*.yaml", FileLimits{Files: 5, Bytes: 199}, "more than the 199 bytes"},
	} {
		err := read(tt.pattern, tt.limits)
		if tt.says == "" && err != nil || tt.says != "" && (sources.Reason(err) != v1beta1.InvalidContentReason ||
			!strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s within %+v: %v; want %q", tt.pattern, tt.limits, err, tt.says)
		}
	}
}

func FuzzReadFiles(f *testing.F) {
	f.Add(tree(f, valuesTree, "env/dev/out.yaml"), "env/*/[a-c]*.yaml")
	f.Fuzz(func(t *testing.T, archive []byte, pattern string) {
		files, err := ReadFiles(struct{ io.Reader }{bytes.NewReader(archive)}, pattern, someFiles)
		if err != nil && sources.Reason(err) == "" {
			t.Errorf("the error has no reason: %v", err)
		}
		if err == nil && len(files) == 0 || len(files) > someFiles.Files {
			t.Errorf("%d files", len(files))
		}
	})
}
