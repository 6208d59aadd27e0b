package main

import (
	"io"
	"slices"
	"strings"
)

// The spaces between two columns, and how narrow a column becomes at most.
const (
	columnGap      = 3
	tightColumnGap = 2
	minColumn      = 8
)

// fixedColumns are columns that are shortened last, because what they hold is copied into the next command or is short anyway.
var fixedColumns = []string{"NAMESPACE", "KIND", "NAME", "PHASE", "CHART", "AGE", "OBJECT", "TIME"}

// table is a table whose columns may be for -o wide, or for -A, only.
type table struct {
	columns []column
	rows    [][]string
	// widths are the least widths of the columns that are shown, so that rows printed later line up.
	widths []int
}

type column struct {
	title string
	// skip leaves the column out.
	skip bool
}

// add adds a row with a cell for every column, those that are left out included. Cells are cleaned: they come from the
// cluster, and must neither break the table nor steer the terminal.
func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = orNone(oneLine(cell))
	}
	t.rows = append(t.rows, cells)
}

// write prints the table without spaces at the ends of its lines, in at most width columns; 0 is no bound.
func (t *table) write(w io.Writer, width int) error {
	lines := append([][]string{t.titles()}, t.shown()...)
	return t.writeLines(w, lines, width)
}

// writeRows prints the rows without the titles.
func (t *table) writeRows(w io.Writer, width int) error { return t.writeLines(w, t.shown(), width) }

func (t *table) writeLines(w io.Writer, lines [][]string, width int) error {
	gap := t.fit(lines, width)
	var b strings.Builder
	for _, line := range lines {
		var text strings.Builder
		for i, cell := range line {
			cell = shorten(cell, t.widths[i])
			text.WriteString(cell + strings.Repeat(" ", t.widths[i]-visible(cell)+gap))
		}
		b.WriteString(cutLine(strings.TrimRight(text.String(), " "), width) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// cutLine cuts a line that is too wide although its cells were shortened. One with colours stays, because a cut could
// go through them.
func cutLine(line string, width int) string {
	if width <= 0 || escapeSequence.MatchString(line) {
		return line
	}
	return shorten(line, width)
}

func (t *table) titles() []string {
	var titles []string
	for _, c := range t.columns {
		if !c.skip {
			titles = append(titles, c.title)
		}
	}
	return titles
}

// shown are the cells of the columns that are not left out.
func (t *table) shown() [][]string {
	lines := make([][]string, 0, len(t.rows))
	for _, row := range t.rows {
		var line []string
		for i, cell := range row {
			if !t.columns[i].skip {
				line = append(line, cell)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// fit sets the widths of the columns and returns the gap between them. Where the lines are wider than the terminal, the widest
// column becomes narrower first, those that are fixed last.
func (t *table) fit(lines [][]string, width int) int {
	titles := t.titles()
	if t.widths == nil {
		t.widths = make([]int, len(titles))
	}
	for _, line := range append([][]string{titles}, lines...) {
		for i, cell := range line {
			t.widths[i] = max(t.widths[i], visible(cell))
		}
	}
	if width <= 0 || t.total(columnGap) <= width {
		return columnGap
	}
	for _, fixed := range [][]string{fixedColumns, nil} {
		for t.total(tightColumnGap) > width {
			i := t.widest(titles, fixed)
			if i < 0 {
				break
			}
			t.widths[i]--
		}
	}
	return tightColumnGap
}

func (t *table) total(gap int) int {
	sum := gap * (len(t.widths) - 1)
	for _, width := range t.widths {
		sum += width
	}
	return sum
}

// widest is the widest column that may become narrower, the last one among equals; -1 for none.
func (t *table) widest(titles, fixed []string) int {
	found := -1
	for i, width := range t.widths {
		title := escapeSequence.ReplaceAllString(titles[i], "")
		// A cell with colours is not shortened, because that would cut through them.
		if slices.Contains(fixed, title) || title != titles[i] || width <= max(minColumn, len(title)) {
			continue
		}
		if found < 0 || width >= t.widths[found] {
			found = i
		}
	}
	return found
}
