package main

import (
	"fmt"
	"io"
)

// progress reports on standard error what happens: on a terminal in one line that is rewritten, else in a line for each
// change. The same text is not repeated.
type progress struct {
	w io.Writer
	// width of the terminal, 0 when there is none.
	width int
	last  string
}

func (p *progress) show(text string) {
	if text == p.last {
		return
	}

	p.last = text
	if p.width == 0 {
		fmt.Fprintln(p.w, text)
		return
	}

	// A line as wide as the terminal would wrap, and only its last part could be rewritten.
	text = shorten(text, p.width-1)
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// clear removes the line from a terminal, so that what is printed next begins at the left.
func (p *progress) clear() {
	if p.width > 0 && p.last != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.last = ""
}
