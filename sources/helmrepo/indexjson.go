package helmrepo

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
)

// errUnusual says that a document is not laid out the way tools write it; it may still be right.
var errUnusual = errors.New("unusual layout")

// read reads a document in pieces, JSON or YAML by its first character.
func (t *table) read(r *bufio.Reader) error {
	if bom, _ := r.Peek(3); string(bom) == "\ufeff" {
		_, _ = r.Discard(3)
	}
	for {
		c, err := r.ReadByte()
		if err != nil {
			return broken("the index is empty")
		}

		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			// Spaces before the first key would be part of its indentation; such a document is not written by any tool.
			if c == ' ' || c == '\t' {
				if next, _ := r.Peek(1); len(next) == 1 && next[0] != '{' && next[0] > ' ' {
					return errUnusual
				}
			}
			continue
		}

		if err := r.UnreadByte(); err != nil {
			return err
		}
		if c == '{' {
			return t.readJSON(json.NewDecoder(r))
		}

		return newScanner(r, t).run()
	}
}

// readJSON walks through the document token by token and decodes one entry at a time.
func (t *table) readJSON(d *json.Decoder) error {
	found := false
	err := object(d, func(key string) error {
		if key != "entries" {
			return skip(d)
		}

		found = true
		return object(d, func(chart string) error {
			t.chart(chart)
			return array(d, func() error { return t.decodeJSON(d, chart) })
		})
	})
	if err != nil {
		return errUnusual // what begins with a brace may be YAML
	}
	if _, err := d.Token(); err != io.EOF {
		return broken("the document is not an index: something follows its end")
	}
	if !found {
		return noEntries()
	}

	return nil
}

func noEntries() error { return broken("the document is not an index: it has no entries") }

func (t *table) decodeJSON(d *json.Decoder, chart string) error {
	var raw rawEntry
	err := d.Decode(&raw)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		t.skipped++ // the decoder has read past it
		return nil
	}

	if err == nil {
		t.add(chart, raw)
	}

	return err
}

// object calls f for each key; f must read the value. null is an empty object.
func object(d *json.Decoder, f func(key string) error) error {
	open, err := d.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('{') {
		return errUnusual
	}

	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}

		name, ok := key.(string)
		if !ok {
			return errUnusual
		}
		if err := f(name); err != nil {
			return err
		}
	}

	_, err = d.Token()
	return err
}

// array calls f for each element; f must read it. null is an empty array.
func array(d *json.Decoder, f func() error) error {
	open, err := d.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('[') {
		return errUnusual
	}

	for d.More() {
		if err := f(); err != nil {
			return err
		}
	}

	_, err = d.Token()
	return err
}

// skip reads past one value without keeping it.
func skip(d *json.Decoder) error {
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}

		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}

		if depth == 0 {
			return nil
		}
	}
}
