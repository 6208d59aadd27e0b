package status

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestANoteFitsIntoAnEvent(t *testing.T) {
	t.Parallel()
	short := Event{Message: "fine"}
	if got := short.Note(); got != "fine" {
		t.Errorf("note %q", got)
	}
	long := Event{Message: strings.Repeat("ä", 2000)}
	if got := long.Note(); len(got) > 1024 || !utf8.ValidString(got) || !strings.Contains(got, "ä…ä") {
		t.Errorf("a long note has %d bytes: %s", len(got), got)
	}
}
