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
	// longestValue is more than any value of a chart's key that means an empty list.
	longestValue = 8
)

// scanner reads an index in block style, the one every tool writes, without holding more than one entry of it:
//
//	entries:
//	  podinfo:          a chart: the indentation of the first key
//	  - name: podinfo   an entry: a dash at that indentation or deeper
//	    version: 6.0.0
//
// A YAML decoder for the whole document needs ten times its size. Only the lines of wanted keys are given to the
// decoder, one entry at a time; everything that does not look like this is errUnusual, and is left to readWhole.
type scanner struct {
	r     *bufio.Reader
	table *table

	inEntries, found bool
	chart            string
	keys             int // indentation of the charts' names, -1 before the first
	dashes           int // indentation of the chart's dashes, -1 before the first

	open    bool         // an entry has begun
	fields  int          // indentation of its keys, -1 before the first
	keeping bool         // the current key is wanted
	wanted  bytes.Buffer // the lines of wanted keys
	size    int          // of the entry so far
}

// line is one line of the document; its text is only valid until the next one is read.
type line struct {
	indent int
	text   []byte // without the indentation
}

func newScanner(r *bufio.Reader, t *table) *scanner {
	return &scanner{r: r, table: t, keys: -1, dashes: -1}
}

func (s *scanner) run() error {
	for {
		text, err := s.next()
		if errors.Is(err, io.EOF) {
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
func (s *scanner) next() ([]byte, error) {
	var long []byte
	for {
		part, more, err := s.r.ReadLine()
		if err != nil {
			return nil, err
		}
		if !more && long == nil {
			return bytes.TrimRight(part, "\r"), nil
		}
		if long = append(long, part...); len(long) > maxLine {
			return nil, errUnusual
		}
		if !more {
			return bytes.TrimRight(long, "\r"), nil
		}
	}
}

func (s *scanner) line(text []byte) error {
	body := bytes.TrimLeft(text, " ")
	l := line{indent: len(text) - len(body), text: body}
	switch {
	case len(body) == 0:
		return s.keep(l)
	case body[0] == '\t':
		return errUnusual
	case l.indent == 0 && body[0] != '#':
		return s.topLevel(body)
	case !s.inEntries:
		return nil
	case s.open && l.indent > s.dashes:
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
func (s *scanner) topLevel(body []byte) error {
	if string(body) == "---" && !s.found {
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

	s.chart = name
	s.dashes = -1
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
	rest := bytes.TrimLeft(l.text[1:], " ")
	if len(rest) == 0 {
		return errUnusual
	}

	s.open = true
	s.fields = -1
	return s.keep(line{indent: l.indent + len(l.text) - len(rest), text: rest})
}

// keep takes the next line of an entry, and holds it when its key is wanted. A line that is deeper than the keys, or a
// dash at their place, belongs to the key above it.
func (s *scanner) keep(l line) error {
	if !s.open {
		return nil // an empty line matters only inside a text
	}
	if s.size += l.indent + len(l.text) + 1; s.size > maxEntry {
		return errUnusual
	}

	if len(l.text) > 0 {
		if s.fields < 0 {
			s.fields = l.indent
		}
		switch {
		case l.indent < s.fields:
			return errUnusual
		case l.indent == s.fields && l.text[0] != '-' && l.text[0] != '#':
			name, _, ok := key(l.text)
			if !ok {
				return errUnusual
			}

			s.keeping = isWanted(name)
		}
	}

	if s.keeping {
		for range l.indent - s.fields {
			s.wanted.WriteByte(' ')
		}

		s.wanted.Write(l.text)
		s.wanted.WriteByte('\n')
	}

	return nil
}

func isWanted(field string) bool {
	switch field {
	case "name", "version", "digest", "kubeVersion", "appVersion", "created", "urls":
		return true
	}
	return false
}

// flush decodes the entry that has been gathered.
func (s *scanner) flush() error {
	if !s.open {
		return nil
	}

	defer func() {
		s.open = false
		s.keeping = false
		s.size = 0
		s.wanted.Reset()
	}()
	var raw rawEntry
	if err := yaml.Unmarshal(s.wanted.Bytes(), &raw); err != nil {
		if wrong := (*yaml.TypeError)(nil); !errors.As(err, &wrong) {
			return errUnusual
		}
		raw = rawEntry{} // not what it should be, which add counts
	}

	s.table.add(s.chart, raw)
	return nil
}

// key splits "name: value" with a plain or quoted name; a comment is no value.
func key(text []byte) (name, value string, ok bool) {
	var raw, rest []byte
	if quote := text[0]; quote == '"' || quote == '\'' {
		end := bytes.IndexByte(text[1:], quote)
		if end < 0 {
			return "", "", false
		}

		raw = text[1 : end+1]
		rest = text[end+2:]
		if bytes.IndexByte(raw, '\\') >= 0 || len(rest) == 0 || rest[0] != ':' {
			return "", "", false
		}

		rest = rest[1:]
	} else {
		if strings.IndexByte("?&*!|>%@`{}[],-", quote) >= 0 {
			return "", "", false
		}

		var found bool
		if raw, rest, found = bytes.Cut(text, []byte(":")); !found {
			return "", "", false
		}

		raw = bytes.TrimRight(raw, " ")
	}

	if len(raw) == 0 || len(rest) > 0 && rest[0] != ' ' {
		return "", "", false
	}
	if rest = bytes.TrimSpace(rest); len(rest) > 0 && rest[0] == '#' {
		rest = nil
	}
	if len(rest) > longestValue {
		rest = rest[:longestValue] // enough to distinguish it from the few short ones that mean nothing
	}

	return string(raw), string(rest), true
}

// readWhole decodes a document of any layout in one piece, which is affordable for a small one only.
func (t *table) readWhole(in *input) error {
	content, ok := in.whole()
	if !ok {
		return broken("the index is laid out in an unusual way, and too large to be read in one piece")
	}

	var doc struct {
		Entries yaml.Node `yaml:"entries"`
	}
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return broken("the document is not an index: it is neither YAML nor JSON with entries")
	}
	if doc.Entries.IsZero() {
		return noEntries()
	}

	entries := target(&doc.Entries)
	if entries.Kind != yaml.MappingNode {
		if entries.Tag == "!!null" {
			return nil
		}
		return broken("the document is not an index: its entries are no table of charts")
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
