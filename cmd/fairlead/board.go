package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/helmops/view"
)

const (
	// minBoardCell is how narrow a stage is on the board at most. Pipelines that need more width get a line a stage.
	minBoardCell = 14
	// maxBoardMessage bounds what the board quotes of a stage.
	maxBoardMessage = 80
	// boardRefresh is how often the times that are left are shown on a terminal.
	boardRefresh = 5 * time.Second
)

// boardFlags are the flags of the command board.
type boardFlags struct {
	all      bool
	watch    bool
	selector string
}

func newBoardCommand(a *app) *cobra.Command {
	f := &boardFlags{}
	cmd := &cobra.Command{
		Use:   "board [NAME...]",
		Short: "Show what the stages of pipelines have, side by side",
		Long: `Show pipelines, one a row, and their stages, one a column: the version that the stage has, its phase, how many
candidates are newer, and what the next one waits for, with the time that is left. Where the terminal is too narrow
for that, each stage has a line. A pipeline of several charts has a row for each chart.

--watch shows it again when something changes: on a terminal in place, otherwise by a line for each pipeline that
changes.`,
		Example: `  fairlead board -n web
  fairlead board shop -n web --watch
  fairlead board -A -l team=shop
  fairlead board -A -o json | jq -r '.items[] | select(any(.stages[]; .behind > 2)) | .pipeline'`,
		ValidArgsFunction: a.completePipelines,
	}
	a.addClusterFlags(cmd)
	cmd.Flags().BoolVarP(&f.all, "all-namespaces", "A", false, "show all namespaces, whatever --namespace says")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "show it again when something changes")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "",
		"show only pipelines with these labels, for example team=shop,tier!=test")
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) {
			args = slices.DeleteFunc(splitKindAndName(args)[1:], func(name string) bool { return name == "" })
		}

		selector, err := labels.Parse(f.selector)
		switch {
		case err != nil:
			return usagef(cmd, "--selector %q: %s", f.selector, err)
		case f.watch && out.machine():
			return usagef(cmd, "--watch prints a board; it cannot be combined with -o %s", out.format)
		}

		q := promotionQuery{word: "pipelines", all: f.all, names: args, selector: selector, out: out}
		return a.board(cmd.Context(), q, f.watch)
	}
	return cmd
}

// board prints the board once, or each time that it changes.
func (a *app) board(ctx context.Context, q promotionQuery, watch bool) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	listing := promotionListings[q.word]
	b := board{app: a, query: q}
	if watch {
		return a.watchBoard(ctx, c, &b, q.feed(c, listing))
	}

	objects, err := q.feed(c, listing).read(ctx)
	if err != nil {
		return err
	}
	if err := q.allNamed(c, listing, objects); err != nil {
		return err
	}

	rows := boardRows(objects)
	switch {
	case q.out.machine():
		return q.out.write(a.out, view.List[view.BoardRow]{Items: rows})
	case len(rows) == 0:
		a.noPromotions(c, q, listing)
		return nil
	}

	_, err = io.WriteString(a.out, b.text(rows, a.outWidth))
	return err
}

// boardRows are the rows of pipelines. A pipeline of several charts has those of its charts, and none of its own.
func boardRows(objects []client.Object) []view.BoardRow {
	rows := make([]view.BoardRow, 0, len(objects))
	for _, o := range objects {
		p := o.(*v1beta1.ReleasePipeline)
		made := func(other client.Object) bool { return metav1.IsControlledBy(other, p) }
		if p.Spec.Subject.Charts == nil || !slices.ContainsFunc(objects, made) {
			rows = append(rows, view.NewBoardRow(p))
		}
	}
	return rows
}

// watchBoard shows the board until ctx ends.
func (a *app) watchBoard(ctx context.Context, c *connection, b *board, f feed) error {
	listing := promotionListings[b.query.word]
	listed := false
	last := ""
	printed := map[string]string{}
	terminal := a.outWidth > 0 && a.width > 0
	every := time.Duration(0)
	if terminal {
		every = boardRefresh
	}

	return f.follow(ctx, every, func(objects []client.Object) error {
		rows := boardRows(objects)
		if !listed {
			if err := b.query.allNamed(c, listing, objects); err != nil {
				return err
			}
			if len(rows) == 0 {
				a.noPromotions(c, b.query, listing)
			}
		}

		listed = true
		if !terminal {
			return b.lines(rows, printed)
		}

		text := b.text(rows, a.outWidth)
		if text == last || last == "" && len(rows) == 0 {
			return nil
		}

		last = text
		_, err := io.WriteString(a.out, "\x1b[H\x1b[2J"+text)
		return err
	})
}

// board lays rows out.
type board struct {
	app   *app
	query promotionQuery
}

// lines prints a line for each row that says something else than what was printed.
func (b *board) lines(rows []view.BoardRow, printed map[string]string) error {
	there := map[string]bool{}
	var out strings.Builder
	for _, r := range rows {
		key := r.Namespace + "/" + r.Pipeline
		there[key] = true
		// The time that is left changes by itself, and is no part of it.
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write pipeline %s: %w", key, err)
		}

		if printed[key] != string(text) {
			printed[key] = string(text)
			out.WriteString(b.line(r) + "\n")
		}
	}

	for _, key := range sortedKeys(printed) {
		if !there[key] {
			out.WriteString(b.app.now().UTC().Format(time.RFC3339) + " " + key + ": it is gone\n")
			delete(printed, key)
		}
	}

	_, err := io.WriteString(b.app.out, out.String())
	return err
}

// line is a pipeline in one line of a log.
func (b *board) line(r view.BoardRow) string {
	parts := make([]string, 0, len(r.Stages))
	for _, s := range r.Stages {
		parts = append(parts, s.Stage+" "+strings.Join(b.cell(s), ", "))
	}
	return fmt.Sprintf("%s %s/%s: %s", b.app.now().UTC().Format(time.RFC3339), r.Namespace, r.Pipeline,
		strings.Join(parts, "; "))
}

// cell are the lines about one stage.
func (b *board) cell(s view.BoardStage) []string {
	lines := []string{cmp.Or(oneLine(s.Version), "nothing")}
	if s.ValuesDigest != "" {
		lines[0] += " values " + v1beta1.ShortDigest(s.ValuesDigest)
	}
	state := s.Phase
	if s.Behind > 0 {
		state += fmt.Sprintf(", %d behind", s.Behind)
	}
	lines = append(lines, state)
	switch {
	case len(s.Waits) > 0:
		lines = append(lines, oneLine(s.Candidate)+" "+b.waits(s.Waits))
	case slices.Contains([]string{promotion.PhaseHeld, promotion.PhaseFailed, promotion.PhaseFrozen}, s.Phase):
		lines = append(lines, shorten(oneLine(s.Message), maxBoardMessage))
	}
	return lines
}

// waits names the gates that a candidate does not pass: those that fail, else those that wait, with the time left.
func (b *board) waits(gates []v1beta1.GateStatus) string {
	var fails, waits []string
	for _, g := range gates {
		text := g.Name
		if g.Until != nil {
			text += " " + duration.HumanDuration(max(0, g.Until.Sub(b.app.now())))
		}
		if g.Result == string(promotion.Fail) {
			fails = append(fails, text)
		} else {
			waits = append(waits, text)
		}
	}
	if len(fails) > 0 {
		return "fails: " + strings.Join(fails, ", ")
	}
	return "waits: " + strings.Join(waits, ", ")
}

// text is the whole board, in lines of at most width columns; 0 is no bound. Pipelines with the same stages share a
// table.
func (b *board) text(rows []view.BoardRow, width int) string {
	var parts []string
	for len(rows) > 0 {
		stages := stageNames(rows[0])
		same := 1
		for same < len(rows) && slices.Equal(stageNames(rows[same]), stages) {
			same++
		}
		parts = append(parts, b.grid(rows[:same], width))
		rows = rows[same:]
	}
	return strings.Join(parts, "\n")
}

func stageNames(r view.BoardRow) []string {
	names := make([]string, 0, len(r.Stages))
	for _, s := range r.Stages {
		names = append(names, s.Stage)
	}
	return names
}

// title names a pipeline on the board.
func (b *board) title(r view.BoardRow) string {
	if b.query.all {
		return r.Namespace + "/" + r.Pipeline
	}
	return r.Pipeline
}

// grid shows pipelines with the same stages. Without a bound each has one line.
func (b *board) grid(rows []view.BoardRow, width int) string {
	names := stageNames(rows[0])
	head := append(make([]string, 0, 2+len(names)), "PIPELINE", "NEWEST")
	for _, name := range names {
		head = append(head, strings.ToUpper(name))
	}
	lines := make([][][]string, 0, len(rows))
	widths := make([]int, len(head))
	for i, text := range head {
		widths[i] = visible(text)
	}
	for _, r := range rows {
		cells := [][]string{{b.title(r)}, {orNone(oneLine(r.Newest))}}
		for _, s := range r.Stages {
			cell := b.cell(s)
			if width <= 0 {
				cell = []string{strings.Join(cell, ", ")}
			}
			cells = append(cells, cell)
		}
		for i, cell := range cells {
			for _, text := range cell {
				widths[i] = max(widths[i], visible(text))
			}
		}
		lines = append(lines, cells)
	}
	if !narrow(widths, width) {
		return b.list(rows, width)
	}
	var out strings.Builder
	out.WriteString(gridLine(head, widths))
	for _, cells := range lines {
		out.WriteString(gridRow(cells, widths))
	}
	return out.String()
}

// narrow makes the stages narrower until the line fits, and reports whether it does. The names of pipelines and their
// newest versions keep their width.
func narrow(widths []int, width int) bool {
	if width <= 0 {
		return true
	}
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > width; total-- {
		widest := -1
		for i := 2; i < len(widths); i++ {
			if widths[i] > minBoardCell && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return false
		}
		widths[widest]--
	}
	return true
}

// gridRow is a pipeline in a table: as many lines as its longest cell.
func gridRow(cells [][]string, widths []int) string {
	height := 0
	for i, cell := range cells {
		wrapped := make([]string, 0, len(cell))
		for _, text := range cell {
			wrapped = append(wrapped, wrap(text, 0, widths[i])...)
		}
		cells[i] = wrapped
		height = max(height, len(wrapped))
	}
	var out strings.Builder
	for n := range height {
		line := make([]string, len(cells))
		for i, cell := range cells {
			if n < len(cell) {
				line[i] = cell[n]
			}
		}
		out.WriteString(gridLine(line, widths))
	}
	return out.String()
}

func gridLine(cells []string, widths []int) string {
	var out strings.Builder
	for i, cell := range cells {
		cell = shorten(cell, widths[i])
		out.WriteString(cell + strings.Repeat(" ", widths[i]-visible(cell)+columnGap))
	}
	return strings.TrimRight(out.String(), " ") + "\n"
}

// list shows each pipeline by a line for each stage.
func (b *board) list(rows []view.BoardRow, width int) string {
	var out strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&out, "%s (newest %s)\n", b.title(r), orNone(oneLine(r.Newest)))
		longest := 0
		for _, s := range r.Stages {
			longest = max(longest, visible(s.Stage))
		}
		for _, s := range r.Stages {
			lead := fmt.Sprintf("  %-*s  ", longest, s.Stage)
			indent := strings.Repeat(" ", visible(lead))
			out.WriteString(hang(lead, strings.Join(b.cell(s), ", "), indent, width) + "\n")
		}
	}
	return out.String()
}
