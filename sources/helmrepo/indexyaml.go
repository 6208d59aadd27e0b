package helmrepo

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxLine  = 1 << 20
	maxEntry = 1 << 20
)

// scanner reads an index in block style, the one every tool writes, without holding more than one entry of it:
//
//	entries:
//	  podinfo:          a chart: the indentation of the first key
//	  - name: podinfo   an entry: a dash at that indentation or deeper
//	    version: 6.0.0
//
// A YAML decoder for the whole document needs ten times its size. Only the lines of wanted keys are given to the decoder,
// one entry at a time; whatever does not look like this is errUnusual, and is left to readWhole.
type scanner struct {
	r     *bufio.Reader
	table *table

	inEntries, found bool
	chart            string
	keys             int // indentation of the charts' names, -1 before the first
	dashes           int // indentation of the chart's dashes, -1 before the first
	entry            []line
	size             int
}

type line struct {
	indent int
	text   string // without the indentation
}

func newScanner(r *bufio.Reader, t *table) *scanner {
	return &scanner{r: r, table: t, keys: -1, dashes: -1}
}

func (s *scanner) run() error {
	for {
		text, err := s.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := s.line(text); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	if !s.found {
		return errUnusual
	}
	return nil
}

// next reads a line without its end.
func (s *scanner) next() (string, error) {
	var long []byte
	for {
		part, more, err := s.r.ReadLine()
		if err != nil {
			return "", err
		}
		if !more && long == nil {
			return string(bytes.TrimRight(part, "\r")), nil
		}
		if long = append(long, part...); len(long) > maxLine {
			return "", errUnusual
		}
		if !more {
			return string(bytes.TrimRight(long, "\r")), nil
		}
	}
}

func (s *scanner) line(text string) error {
	body := strings.TrimLeft(text, " ")
	l := line{indent: len(text) - len(body), text: body}
	switch {
	case body == "":
		return s.keep(l)
	case body[0] == '\t':
		return errUnusual
	case l.indent == 0 && body[0] != '#':
		return s.topLevel(body)
	case !s.inEntries:
		return nil
	case s.dashes >= 0 && l.indent > s.dashes && len(s.entry) > 0:
		return s.keep(l)
	case body[0] == '#':
		return nil
	case body[0] == '-' && (len(body) == 1 || body[1] == ' '):
		return s.startEntry(l)
	default:
		return s.startChart(l)
	}
}

// topLevel sees a key of the document itself.
func (s *scanner) topLevel(body string) error {
	if body == "---" && !s.found {
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	name, value, ok := key(body)
	if !ok || name == "entries" && s.found {
		return errUnusual
	}
	s.inEntries = name == "entries"
	if s.inEntries {
		s.found = true
		if value != "" && value != "{}" && value != "null" {
			return errUnusual
		}
	}
	return nil
}

func (s *scanner) startChart(l line) error {
	if err := s.flush(); err != nil {
		return err
	}
	name, value, ok := key(l.text)
	if s.keys < 0 {
		s.keys = l.indent
	}
	if !ok || l.indent != s.keys || value != "" && value != "[]" && value != "null" {
		return errUnusual
	}
	s.chart, s.dashes = name, -1
	s.table.chart(name)
	return nil
}

func (s *scanner) startEntry(l line) error {
	if err := s.flush(); err != nil {
		return err
	}
	if s.dashes < 0 {
		s.dashes = l.indent
	}
	if s.chart == "" || l.indent != s.dashes || l.indent < s.keys {
		return errUnusual
	}
	// What follows the dash is the first line of the entry, indented by its place.
	rest := strings.TrimLeft(l.text[1:], " ")
	return s.keep(line{indent: l.indent + len(l.text) - len(rest), text: rest})
}

func (s *scanner) keep(l line) error {
	if l.text == "" && len(s.entry) == 0 {
		return nil // an empty line matters only inside a text
	}
	if s.size += l.indent + len(l.text) + 1; s.size > maxEntry {
		return errUnusual
	}
	s.entry = append(s.entry, l)
	return nil
}

// flush decodes the entry that has been gathered.
func (s *scanner) flush() error {
	defer func() { s.entry, s.size = s.entry[:0], 0 }()
	text, ok := wanted(s.entry)
	if !ok {
		return errUnusual
	}
	if text == "" {
		if len(s.entry) > 0 {
			s.table.skipped++
		}
		return nil
	}
	var raw rawEntry
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		if wrong := (*yaml.TypeError)(nil); !errors.As(err, &wrong) {
			return errUnusual
		}
		s.table.skipped++
		return nil
	}
	s.table.add(s.chart, raw)
	return nil
}

// wanted joins the lines of the keys that are read. A line that is deeper than the keys, or a dash at their place,
// belongs to the key above it.
func wanted(lines []line) (string, bool) {
	var b strings.Builder
	indent, keeping := -1, false
	for _, l := range lines {
		switch {
		case l.text == "":
			if keeping {
				b.WriteByte('\n')
			}
			continue
		case indent < 0:
			indent = l.indent
		case l.indent < indent:
			return "", false
		}
		if l.indent == indent && l.text[0] != '-' && l.text[0] != '#' {
			name, _, ok := key(l.text)
			if !ok {
				return "", false
			}
			switch name {
			case "name", "version", "digest", "kubeVersion", "appVersion", "urls":
				keeping = true
			default:
				keeping = false
			}
		}
		if keeping {
			b.WriteString(strings.Repeat(" ", l.indent-indent))
			b.WriteString(l.text)
			b.WriteByte('\n')
		}
	}
	return b.String(), true
}

// key splits "name: value" with a plain or quoted name; a comment is no value.
func key(text string) (name, value string, ok bool) {
	if text[0] == '"' || text[0] == '\'' {
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 {
			return "", "", false
		}
		name, text = text[1:end+1], text[end+2:]
		if strings.ContainsAny(name, `\`) || !strings.HasPrefix(text, ":") {
			return "", "", false
		}
		text = text[1:]
	} else {
		if strings.ContainsRune("?&*!|>%@`{}[],-", rune(text[0])) {
			return "", "", false
		}
		var found bool
		if name, text, found = strings.Cut(text, ":"); !found {
			return "", "", false
		}
		name = strings.TrimRight(name, " ")
	}
	if text != "" && text[0] != ' ' {
		return "", "", false
	}
	value = strings.TrimSpace(text)
	if strings.HasPrefix(value, "#") {
		value = ""
	}
	return name, value, name != ""
}

// readWhole decodes a document of any layout in one piece, which is affordable for a small one only.
func (t *table) readWhole(in *input) error {
	content, ok := in.whole()
	if !ok {
		return broken(nil, "the index is laid out in an unusual way, and too large to be read in one piece")
	}
	var doc struct {
		Entries *yaml.Node `yaml:"entries"`
	}
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return broken(nil, "the document is not an index: it is neither YAML nor JSON with entries")
	}
	if doc.Entries == nil {
		return noEntries()
	}
	entries := target(doc.Entries)
	if entries.Kind != yaml.MappingNode {
		if entries.Tag == "!!null" {
			return nil
		}
		return broken(nil, "the document is not an index: its entries are no table of charts")
	}
	for i := 0; i+1 < len(entries.Content); i += 2 {
		t.addNodes(entries.Content[i].Value, target(entries.Content[i+1]))
	}
	return nil
}

func (t *table) addNodes(chart string, list *yaml.Node) {
	t.chart(chart)
	if list.Kind != yaml.SequenceNode {
		if list.Tag != "!!null" {
			t.skipped++
		}
		return
	}
	for _, node := range list.Content {
		var raw rawEntry
		if err := node.Decode(&raw); err != nil {
			t.skipped++
			continue
		}
		t.add(chart, raw)
	}
}

func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}
