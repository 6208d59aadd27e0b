package main

import (
	"io"
	"slices"
	"strings"
)

// The spaces between two columns, how narrow a column becomes at most, and how wide the message of a row stays as long
// as another column can be left out for it.
const (
	columnGap      = 3
	tightColumnGap = 2
	minColumn      = 8
	minMessage     = 20
)

// messageColumns are the columns of sentences; they are the last ones of their tables.
var messageColumns = []string{"MESSAGE", "REASON"}

// optionalColumns are left out for the message where the terminal is narrow, the first one first; -o wide has them all.
var optionalColumns = []string{"TYPE", "AGE", "CAUSE", "OBJECTS", "REVISION", "CHART"}

// fixedColumns are columns that are shortened last, because what they hold is copied into the next command or is short anyway.
var fixedColumns = []string{"NAMESPACE", "KIND", "NAME", "PATH", "PHASE", "CHART", "AGE", "OBJECT", "HEALTH", "TIME"}

// table is a table whose columns may be for -o wide, or for -A, only.
type table struct {
	columns []column
	rows    [][]string
	// widths are the least widths of the columns that are shown, so that rows printed later line up.
	widths []int
	// headless leaves the titles out.
	headless bool
	// laidOut is set once it is decided which columns are shown.
	laidOut bool
	// paint gives a cell of a column its colour; nil for none.
	paint func(title, cell string) string
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
	if t.headless {
		return t.writeRows(w, width)
	}

	t.layOut(width)
	gap := t.fit(t.shown(), width)
	titles := strings.Builder{}
	for i, title := range t.titles() {
		titles.WriteString(padded(shorten(title, t.widths[i]), t.widths[i]+gap))
	}
	if _, err := io.WriteString(w, cutLine(strings.TrimRight(titles.String(), " "), width)+"\n"); err != nil {
		return err
	}

	return t.writeRows(w, width)
}

// writeRows prints the rows without the titles.
func (t *table) writeRows(w io.Writer, width int) error {
	t.layOut(width)
	lines := t.shown()
	gap := t.fit(lines, width)
	titles := t.titles()
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(t.line(titles, line, gap, width) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// line is a row in at most width columns. Colours are added once the cells have their widths; a row that has to be cut although
// its cells were shortened has none, because the cut could go through them.
func (t *table) line(titles, cells []string, gap, width int) string {
	var plain, coloured strings.Builder
	for i, cell := range cells {
		cell = shorten(cell, t.widths[i])
		plain.WriteString(padded(cell, t.widths[i]+gap))
		if t.paint != nil {
			coloured.WriteString(padded(t.paint(titles[i], cell), t.widths[i]+gap))
		}
	}

	line := strings.TrimRight(plain.String(), " ")
	if cut := cutLine(line, width); cut != line || t.paint == nil {
		return cut
	}

	return strings.TrimRight(coloured.String(), " ")
}

// padded fills a text up to a width.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-visible(text)))
}

// cutLine cuts a line that is too wide although its cells were shortened.
func cutLine(line string, width int) string {
	if width <= 0 {
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

// follow makes a table line up with one that was printed before, for rows that come later.
func (t *table) follow(printed *table) {
	t.columns = printed.columns
	t.widths = printed.widths
	t.laidOut = printed.laidOut
}

// layOut decides once which columns are left out, so that titles and rows agree.
func (t *table) layOut(width int) {
	if t.laidOut {
		return
	}

	t.laidOut = true
	for _, title := range optionalColumns {
		if !t.crowded(width) {
			return
		}

		for i := range t.columns {
			t.columns[i].skip = t.columns[i].skip || t.columns[i].title == title
		}
	}
}

// crowded reports whether the other columns leave the message less room than it should have.
func (t *table) crowded(width int) bool {
	titles := t.titles()
	last := len(titles) - 1
	if width <= 0 || last < 0 || !slices.Contains(messageColumns, titles[last]) {
		return false
	}

	total := tightColumnGap * last
	for i, natural := range naturalWidths(append([][]string{titles}, t.shown()...)) {
		if i == last {
			natural = min(natural, minMessage)
		}

		total += natural
	}

	return total > width
}

// naturalWidths are the widths of columns whose cells are all complete.
func naturalWidths(lines [][]string) []int {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], visible(cell))
		}
	}

	return widths
}

// fit sets the widths of the columns and returns the gap between them. Where the lines are wider than the terminal, the widest
// column becomes narrower first, those that are fixed last.
func (t *table) fit(lines [][]string, width int) int {
	titles := t.titles()
	if t.widths == nil {
		t.widths = make([]int, len(titles))
	}
	if !t.headless {
		lines = append([][]string{titles}, lines...)
	}

	if len(lines) > 0 {
		for i, natural := range naturalWidths(lines) {
			t.widths[i] = max(t.widths[i], natural)
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
		title := titles[i]
		if slices.Contains(fixed, title) || width <= max(minColumn, len(title)) {
			continue
		}
		if found < 0 || width >= t.widths[found] {
			found = i
		}
	}

	return found
}
