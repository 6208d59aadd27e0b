package config

import (
	"regexp"
	"strings"
	"testing"
)

// heldBy is how a page names a test: the file, and the function in it.
var heldBy = regexp.MustCompile(`^([\w./-]+_test\.go):(Test\w+|Fuzz\w+)$`)

// Every promise of docs/security.md names at least one test, and every test that it names exists.
func TestEveryPromiseHasATest(t *testing.T) {
	for _, title := range []string{"Promises", "Attacks on a neighbor"} {
		t.Run(title, func(t *testing.T) { checkPromises(t, title) })
	}
}

func checkPromises(t *testing.T, title string) {
	t.Helper()
	_, rest, found := strings.Cut(read(t, "docs", "security.md"), "\n## "+title+"\n")
	if !found {
		t.Fatalf("docs/security.md has no section %s", title)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	rows := cells(section)
	if len(rows) < 3 {
		t.Fatalf("the table of promises has %d rows", len(rows))
	}
	for _, row := range rows[2:] {
		if len(row) != 2 || len(terms(row[1])) == 0 {
			t.Errorf("the promise %q names no test", row[0])
			continue
		}
		for _, term := range terms(row[1]) {
			match := heldBy.FindStringSubmatch(term)
			if match == nil {
				t.Errorf("the promise %q: %s is not of the form path/file_test.go:TestName", row[0], term)
				continue
			}
			if !strings.Contains(read(t, strings.Split(match[1], "/")...), "\nfunc "+match[2]+"(") {
				t.Errorf("the promise %q: %s does not exist", row[0], term)
			}
		}
	}
}
