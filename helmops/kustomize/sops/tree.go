package sops

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A file in memory: documents of entries in the order of the file. A value is a branch, a list, a text, an int, a
// float64, a bool, a time.Time or nil. Texts are bytes: what SOPS encrypts need not be UTF-8.
type (
	branch []entry
	list   []any

	// entry is a key with its value, or a comment.
	entry struct {
		key     string
		value   any
		comment *comment
	}

	// comment is one line of a comment; inline is one behind a value. In a list it takes the place of an item.
	comment struct {
		text   string
		inline bool
	}
)

var errNested = errors.New("its values are nested too deeply")

// documents decrypts all documents of a file in place and verifies their MAC.
func (k *Keys) documents(documents []branch, m *metadata) error {
	if m == nil {
		return errors.New("its sops metadata is missing")
	}

	key, err := k.dataKey(*m)
	if err != nil {
		return err
	}

	c := newContent(key, *m, k.opened)
	for _, document := range documents {
		if err := c.branch(document, nil); err != nil {
			return err
		}
	}

	return c.verify()
}

// branch decrypts entries in place. Where a value is in the file is part of what is authenticated; positions in lists
// are not.
func (c *content) branch(b branch, at []string) error {
	for i := range b {
		if b[i].comment != nil {
			c.comment(b[i].comment, at)
			continue
		}

		where := append(at[:len(at):len(at)], b[i].key)
		value, err := c.value(b[i].value, where)
		if err != nil {
			return err
		}
		if _, is := value.(*comment); is {
			return unwritten(where)
		}

		b[i].value = value
	}
	return nil
}

// value decrypts a value and everything in it.
func (c *content) value(value any, at []string) (any, error) {
	if len(at) > maxDepth {
		return nil, errNested
	}

	switch value := value.(type) {
	case branch:
		return value, c.branch(value, at)
	case list:
		for i, item := range value {
			if found, is := item.(*comment); is {
				c.comment(found, at)
				continue
			}

			plain, err := c.value(item, at)
			if err != nil {
				return nil, err
			}

			value[i] = plain
		}
		return value, nil
	case string:
		return c.text(value, at)
	default:
		return value, c.count(value, at, false)
	}
}

// text decrypts a text, or returns it when it is plain.
func (c *content) text(text string, at []string) (any, error) {
	m := encrypted.FindStringSubmatch(text)
	if m == nil {
		return text, c.count(text, at, false)
	}

	raw, kind, err := open(c.key, m, strings.Join(at, ":")+":")
	if err != nil {
		return nil, err
	}
	if kind == "comment" {
		return &comment{text: string(raw)}, nil
	}

	c.opened(string(raw))
	value, err := typed(string(raw), kind)
	if err != nil {
		return nil, unwritten(at)
	}

	return value, c.count(value, at, true)
}

// comment decrypts a comment. No MAC is over comments; one that cannot be decrypted is a plain one.
func (c *content) comment(found *comment, at []string) {
	m := encryptedComment.FindStringSubmatch(found.text)
	if m == nil {
		return
	}
	if raw, _, err := open(c.key, m, strings.Join(at, ":")+":"); err == nil {
		found.text = string(raw)
		found.inline = false // SOPS forgets where a comment that it decrypts was
	}
}

// count adds a plain value to the MAC.
func (c *content) count(value any, at []string, wasEncrypted bool) error {
	text, err := bytesOf(value)
	if err != nil {
		return unwritten(at)
	}
	if wasEncrypted || !c.meta.MACOnlyEncrypted {
		c.mac.Write(text)
	}
	return nil
}

// typed reads a value that was decrypted. The error quotes it.
func typed(text, kind string) (any, error) {
	switch kind {
	case "int":
		return strconv.Atoi(text)
	case "float":
		return strconv.ParseFloat(text, 64)
	case "bool":
		return strconv.ParseBool(text)
	case "time":
		var value time.Time
		err := value.UnmarshalText([]byte(text))
		return value, err
	default:
		return text, nil
	}
}

// bytesOf is what counts of a plain value for the MAC.
func bytesOf(value any) ([]byte, error) {
	switch value := value.(type) {
	case string:
		return []byte(value), nil
	case int:
		return []byte(strconv.Itoa(value)), nil
	case float64:
		return []byte(strconv.FormatFloat(value, 'f', -1, 64)), nil
	case bool:
		if value {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return value.MarshalText()
	case nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("it has a value of the type %T, which sops does not write", value)
	}
}

// unwritten is the error for a value that no version of SOPS writes.
func unwritten(at []string) error {
	return fmt.Errorf("the value of %s is not what sops writes", strings.Join(at, "."))
}
