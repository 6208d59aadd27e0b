package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"fairlead.dev/fairlead/helmops/view"
)

// commentMark begins the markdown, so that a pipeline finds the comment to replace.
const commentMark = "<!-- fairlead ci -->"

// reviewMarkdown is the plans for a comment. Names and values come from manifests that anyone may have written: they
// are in code only, where nothing in them is markup and nothing mentions a user.
func (a *app) reviewMarkdown(found *view.Review, flags *ciFlags) string {
	room := flags.maxBytes
	if room == 0 {
		room = int(^uint(0) >> 1)
	}

	m := &markdown{room: room - reservedBytes}
	m.head(found)
	m.table(found)
	for _, item := range found.Items {
		m.section(item, a.plainLines(item))
	}

	m.rest(flags)
	return m.text.String()
}

// reservedBytes are for what is printed last.
const reservedBytes = 2000

// maxSection bounds the lines of one plan in a bounded comment, in bytes: the first does not leave the others out.
const maxSection = 20_000

// markdown is a comment of bounded size.
type markdown struct {
	text strings.Builder
	room int
	// rows and plans are how many are left out, lines those of plans that are shown.
	rows, plans, objects, lines int
}

// add writes a part if there is room for it.
func (m *markdown) add(part string) bool {
	if m.text.Len()+len(part) > m.room {
		return false
	}
	m.text.WriteString(part)
	return true
}

func (m *markdown) head(found *view.Review) {
	title := "no changes"
	if n := len(found.Items); n > 0 {
		title = fmt.Sprintf("%s, highest risk %s", plural(n, "plan"), found.Risk)
	}
	if found.Failed > 0 {
		title += fmt.Sprintf(", %d could not be made", found.Failed)
	}

	m.add(fmt.Sprintf("%s\n### Fairlead: %s\n\n", commentMark, title))
	m.add(fmt.Sprintf("From %s to %s, for Kubernetes %s. The change does not touch %s.\n\n", code(found.Base), code(found.Head),
		code(found.KubeVersion), plural(found.Untouched, "other")))
	for i, note := range found.Notes {
		if i >= maxNotes {
			m.add(fmt.Sprintf("- and %d more notes\n", len(found.Notes)-i))
			break
		}
		m.add("- " + code(clipped(note, maxText)) + "\n")
	}
}

// Bounds of what is shown before the plans.
const (
	maxNotes = 10
	maxText  = 300
)

func (m *markdown) table(found *view.Review) {
	if len(found.Items) == 0 || !m.add("\n| Risk | Object | Change | Summary |\n|---|---|---|---|\n") {
		m.rows = len(found.Items)
		return
	}

	half := m.room / 2 // the rest is for the plans
	for i, item := range found.Items {
		name := code(clipped(item.Kind+" "+nameOfItem(item), maxText))
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", riskOfItem(item), name, item.Change,
			code(clipped(summaryOfItem(item), maxText)))
		if m.text.Len()+len(row) > half {
			m.rows = len(found.Items) - i
			break
		}
		m.add(row)
	}

	m.add("\n")
}

// section writes a plan that can be folded out.
func (m *markdown) section(item view.ReviewItem, lines []string) {
	title := riskOfItem(item) + ": " + item.Kind + " " + nameOfItem(item) + " " + item.Change + placeOf(item)
	fence := fenceFor(lines)
	head := fmt.Sprintf("<details><summary>%s</summary>\n\n%stext\n", code(clipped(title, maxText)), fence)
	tail := fence + "\n\n</details>\n\n"
	room := min(m.room-m.text.Len(), maxSection) - len(head) - len(tail) - len(lines[0]) - 60
	if m.room > defaultMaxBytes*10 {
		room = m.room
	}
	if room <= 0 {
		m.plans++
		m.objects += len(item.Objects)
		return
	}

	var body strings.Builder
	for i, line := range lines {
		if body.Len()+len(line)+1 > room {
			m.lines += len(lines) - i
			fmt.Fprintf(&body, "… and %s\n", plural(len(lines)-i, "more line"))
			break
		}
		body.WriteString(line + "\n")
	}

	m.text.WriteString(head + body.String() + tail)
}

// rest says what is left out, and which command prints it.
func (m *markdown) rest(flags *ciFlags) {
	var left []string
	if m.rows > 0 {
		left = append(left, plural(m.rows, "row")+" of the table")
	}
	if m.plans > 0 {
		left = append(left, fmt.Sprintf("%s with %s", plural(m.plans, "plan"), plural(m.objects, "object")))
	}
	if m.lines > 0 {
		left = append(left, plural(m.lines, "line"))
	}
	if len(left) == 0 {
		return
	}

	fmt.Fprintf(&m.text, "Left out: %s. All of it is printed by %s\n", strings.Join(left, ", "),
		code(clipped(flags.command(), maxText*2)))
}

// plainArgument is what a shell takes as one word as it is.
var plainArgument = regexp.MustCompile(`^[A-Za-z0-9_./:@=+,-]+$`)

// command is the command line that prints everything.
func (flags *ciFlags) command() string {
	words := []string{"fairlead", "ci"}
	add := func(flag, value string) {
		if !plainArgument.MatchString(value) {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		words = append(words, flag, value)
	}
	for _, path := range flags.paths {
		add("--path", path)
	}

	add("--base", flags.base)
	if flags.head != "" {
		add("--head", flags.head)
	}
	for _, source := range flags.sources {
		add("--source", source)
	}
	if flags.cluster {
		words = append(words, "--cluster")
	}

	return strings.Join(words, " ")
}

// code is text as code in markdown. All but letters, digits and blanks are written as character references, so that
// neither markdown nor HTML has a meaning in it.
func code(text string) string {
	var out strings.Builder
	out.WriteString("<code>")
	for _, r := range oneLine(text) {
		switch {
		case r == ' ', r == '.', r == '-', r == '/', r == ',', unicode.IsLetter(r), unicode.IsDigit(r):
			out.WriteRune(r)
		default:
			fmt.Fprintf(&out, "&#%d;", r)
		}
	}
	out.WriteString("</code>")
	return out.String()
}

// clipped is the beginning of a text.
func clipped(text string, most int) string {
	runes := []rune(oneLine(text))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most]) + "…"
}

// fenceFor is a fence that none of the lines can end.
func fenceFor(lines []string) string {
	longest := 2
	for _, line := range lines {
		run := 0
		for _, r := range line {
			if r != '`' {
				run = 0
				continue
			}
			run++
			longest = max(longest, run)
		}
	}
	return strings.Repeat("`", longest+1)
}
