package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

var errNoJSON = errors.New("it is not a JSON object, which every JSON and binary file of sops is")

// readJSON reads the only document of a file, and the metadata, which is nil when there is none.
func readJSON(content []byte) (branch, *metadata, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	root, err := jsonValue(decoder, 0)
	if err != nil {
		return nil, nil, err
	}

	all, is := root.(branch)
	if _, err := decoder.Token(); !is || !errors.Is(err, io.EOF) {
		return nil, nil, errNoJSON
	}

	var out branch
	for _, e := range all {
		if e.key != sopsKey {
			out = append(out, e)
		}
	}

	if len(out) == len(all) {
		return out, nil, nil
	}

	var found struct {
		Sops *metadata `json:"sops"`
	}
	if err := json.Unmarshal(content, &found); err != nil {
		return nil, nil, errors.New("its sops metadata cannot be read")
	}

	return out, found.Sops, nil
}

// jsonValue reads the next value. A number is a whole one when it fits into 64 bits, as for SOPS.
func jsonValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errNested
	}

	token, err := decoder.Token()
	if err != nil {
		return nil, errNoJSON
	}

	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return jsonObject(decoder, depth)
		}
		return jsonList(decoder, depth)
	case json.Number:
		if whole, err := token.Int64(); err == nil {
			return int(whole), nil
		}

		number, err := token.Float64()
		if err != nil {
			return nil, errors.New("it has a number that is too large")
		}

		return number, nil
	default:
		return token, nil
	}
}

func jsonObject(decoder *json.Decoder, depth int) (any, error) {
	out := branch{}
	for decoder.More() {
		token, err := decoder.Token()
		key, is := token.(string)
		if err != nil || !is {
			return nil, errNoJSON
		}

		value, err := jsonValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}

		out = append(out, entry{key: key, value: value})
	}

	if _, err := decoder.Token(); err != nil {
		return nil, errNoJSON
	}

	return out, nil
}

func jsonList(decoder *json.Decoder, depth int) (any, error) {
	out := list{}
	for decoder.More() {
		value, err := jsonValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}

		out = append(out, value)
	}

	if _, err := decoder.Token(); err != nil {
		return nil, errNoJSON
	}

	return out, nil
}

// writeJSON writes a document byte for byte as SOPS prints it. What is not UTF-8 is refused: JSON would have other
// bytes in its place.
func writeJSON(document branch) ([]byte, error) {
	var text bytes.Buffer
	if err := jsonText(document, &text, nil); err != nil {
		return nil, err
	}

	var out bytes.Buffer
	if err := json.Indent(&out, text.Bytes(), "", "\t"); err != nil {
		return nil, errors.New("what was decrypted cannot be written as JSON")
	}

	out.WriteByte('\n')
	return out.Bytes(), nil
}

func jsonText(value any, out *bytes.Buffer, at []string) error {
	separator := ""
	switch value := value.(type) {
	case branch:
		out.WriteByte('{')
		for _, e := range value {
			if e.comment != nil {
				continue
			}

			out.WriteString(separator)
			separator = ","
			if err := jsonScalar(e.key, out, at); err != nil {
				return err
			}

			out.WriteByte(':')
			if err := jsonText(e.value, out, append(at[:len(at):len(at)], e.key)); err != nil {
				return err
			}
		}

		out.WriteByte('}')
	case list:
		out.WriteByte('[')
		for _, item := range value {
			if _, is := item.(*comment); is {
				continue
			}

			out.WriteString(separator)
			separator = ","
			if err := jsonText(item, out, at); err != nil {
				return err
			}
		}

		out.WriteByte(']')
	default:
		return jsonScalar(value, out, at)
	}

	return nil
}

func jsonScalar(value any, out *bytes.Buffer, at []string) error {
	if text, is := value.(string); is && !utf8.ValidString(text) {
		return notText(at, "JSON")
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("the value of %s cannot be written as JSON", strings.Join(at, "."))
	}
	out.Write(text)
	return nil
}

// notText is the error for bytes where only text can be.
func notText(at []string, where string) error {
	return fmt.Errorf("the value of %s is not UTF-8, and %s can have only text there", strings.Join(at, "."), where)
}

// notNumber is the error for NaN and infinities.
func notNumber(at []string) error {
	return fmt.Errorf("the value of %s is not a number that JSON can have", strings.Join(at, "."))
}
