package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

const (
	// defaultColumns is the width of a terminal that does not know its own.
	defaultColumns = 80
	// minColumns is the narrowest width that lines are wrapped for.
	minColumns = 20
	// minRoom is how many columns a text gets at least to the right of what precedes it.
	minRoom = 16
)

// glyphs measures text. It does not look at the locale, so that the same text has the same width everywhere.
var glyphs = &runewidth.Condition{StrictEmojiNeutral: true}

// columnsOfFile is how wide the lines for a file may be: for a terminal what $COLUMNS says, else its own width, else
// defaultColumns where it does not know that; and 0, no bound, for anything else.
func columnsOfFile(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return max(columns, minColumns)
	}

	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return defaultColumns
	}

	return max(width, minColumns)
}

// rewritableColumns is the width of a terminal whose last line can be rewritten, else 0.
func rewritableColumns(f *os.File) int {
	if os.Getenv("TERM") == "dumb" {
		return 0
	}
	return columnsOfFile(f)
}

// visible is how many columns of a terminal a text takes.
func visible(text string) int {
	return glyphs.StringWidth(escapeSequence.ReplaceAllString(text, ""))
}

// shorten cuts a text that is longer than the width.
func shorten(text string, width int) string {
	if visible(text) <= width {
		return text
	}
	return strings.TrimRight(glyphs.Truncate(text, max(0, width-1), ""), " ") + "…"
}

// wrap breaks a text between words into lines of at most width columns, 0 for no bound; of the first line, some are
// taken already. A word that is longer stays whole, so that it can be copied. There is always a first line.
func wrap(text string, taken, width int) []string {
	if width <= 0 || taken+visible(text) <= width {
		return []string{text}
	}

	var lines []string
	line := ""
	used := taken
	for _, word := range strings.Fields(text) {
		size := visible(word)
		if line != "" && used+1+size > width {
			lines = append(lines, line)
			line = ""
			used = 0
		}

		if line != "" {
			line = line + " "
			used = used + 1
		}

		line += word
		used += size
	}

	return append(lines, line)
}

// hang puts a text behind its lead and wraps it at the width, 0 for no bound. Further lines begin with the indent.
func hang(lead, text, indent string, width int) string {
	room := 0
	if width > 0 {
		room = max(width-visible(indent), minRoom)
	}
	return lead + strings.Join(wrap(text, visible(lead)-visible(indent), room), "\n"+indent)
}
