package main

import (
	"fmt"
	"io"
	"strings"
)

// screenIndent is where the lines of a screen begin, below and beside their labels.
const screenIndent = "              "

// say prints an outcome on standard output, note something beside it on standard error. Both are one line, wrapped
// on a terminal.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.out, hang("", fmt.Sprintf(format, args...), "  ", a.outWidth))
}

func (a *app) note(format string, args ...any) {
	fmt.Fprintln(a.err, hang("", fmt.Sprintf(format, args...), "  ", a.errWidth))
}

// screen is a list of labels and their lines.
type screen struct {
	lines []screenLine
}

// screenLine is what stands before a text, the text, and the state whose colour it has.
type screenLine struct {
	lead, text, state string
}

// add adds a label with a line, and further lines below it. Nothing is added without a line.
func (s *screen) add(label string, lines ...string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		s.lines = append(s.lines, screenLine{lead: labelText(label), text: oneLine(line)})
	}
}

// addState adds a label with a line in the colour of a state.
func (s *screen) addState(label, state, line string) {
	s.lines = append(s.lines, screenLine{lead: labelText(label), text: oneLine(line), state: state})
}

// addOutput adds lines that a container wrote.
func (s *screen) addOutput(lines []string) {
	for _, line := range lines {
		s.lines = append(s.lines, screenLine{lead: screenIndent + "| ", text: oneLine(line)})
	}
}

func labelText(label string) string { return fmt.Sprintf("%-13s ", label) }

// write prints the screen, with lines that are wrapped at the width of the terminal. In sentences that are too wide, hashes are
// shortened; a revision that has its line to itself stays complete, so that it can be copied.
func (a *app) write(w io.Writer, s *screen) error {
	var b strings.Builder
	for _, line := range s.lines {
		lead := line.lead
		room := 0
		if a.outWidth > 0 {
			room = max(a.outWidth-visible(lead), minRoom)
		}

		text := line.text
		if room > 0 && visible(text) > room && strings.Count(text, " ") > 1 {
			text = shortHashes(text)
		}

		for _, part := range wrap(text, 0, room) {
			if line.state != "" {
				part = a.paint(line.state, part)
			}

			b.WriteString(strings.TrimRight(lead+part, " ") + "\n")
			lead = strings.Repeat(" ", visible(lead))
		}
	}

	_, err := io.WriteString(w, b.String())
	return err
}
