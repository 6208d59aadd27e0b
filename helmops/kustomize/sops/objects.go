package sops

import (
	"bytes"
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// writeObjects writes documents so that every parser of YAML, of either version, reads the values that were
// decrypted: texts are in double quotes with everything escaped that is not plain. Comments and empty documents are
// left out.
func writeObjects(documents []branch) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	for _, document := range documents {
		if !slices.ContainsFunc(document, func(e entry) bool { return e.comment == nil }) {
			continue
		}

		root, err := objectNode(withBytes(document), nil)
		if err != nil {
			return nil, err
		}
		if err := encoder.Encode(root); err != nil {
			return nil, errUnwritable
		}
	}

	if err := encoder.Close(); err != nil {
		return nil, errUnwritable
	}

	return out.Bytes(), nil
}

func objectNode(value any, at []string) (*yaml.Node, error) {
	switch value := value.(type) {
	case branch:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range value {
			if e.comment != nil {
				continue
			}
			if !utf8.ValidString(e.key) {
				return nil, notText(append(at[:len(at):len(at)], "(a key)"), "a manifest")
			}

			item, err := objectNode(e.value, append(at[:len(at):len(at)], e.key))
			if err != nil {
				return nil, err
			}

			out.Content = append(out.Content, textNode(e.key), item)
		}

		return out, nil
	case list:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range value {
			if _, is := item.(*comment); is {
				continue
			}

			node, err := objectNode(item, at)
			if err != nil {
				return nil, err
			}

			out.Content = append(out.Content, node)
		}

		return out, nil
	default:
		return scalarNode(value, at)
	}
}

func scalarNode(value any, at []string) (*yaml.Node, error) {
	switch value := value.(type) {
	case string:
		if !utf8.ValidString(value) {
			return nil, notText(at, "a manifest")
		}
		if strings.HasPrefix(value, "${") {
			return nodeOf(value), nil // a variable has quotes or none, as SOPS prints it
		}

		return textNode(value), nil
	case time.Time:
		return textNode(value.Format(time.RFC3339Nano)), nil
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, notNumber(at)
		}
	}
	return nodeOf(value), nil
}

func textNode(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: text}
}

// withBytes puts bytes that are not UTF-8 where Kubernetes can have them: those of a Secret, as base64, below data,
// those of a ConfigMap below binaryData.
func withBytes(object branch) branch {
	kind, _ := object.get("kind").(string)
	if items, is := object.get("items").(list); is && strings.HasSuffix(kind, "List") {
		for i, item := range items {
			if below, is := item.(branch); is {
				items[i] = withBytes(below)
			}
		}
	}

	switch kind {
	case "Secret":
		return moved(moved(object, "data", "data"), "stringData", "data")
	case "ConfigMap":
		return moved(moved(object, "binaryData", "binaryData"), "data", "binaryData")
	default:
		return object
	}
}

// moved moves what is not UTF-8 below one field, as base64, below another.
func moved(object branch, from, to string) branch {
	fields, _ := object.get(from).(branch)
	kept := branch{}
	var bytes branch
	for _, e := range fields {
		if text, is := e.value.(string); is && !utf8.ValidString(text) {
			bytes = append(bytes, entry{key: e.key, value: base64.StdEncoding.EncodeToString([]byte(text))})
			continue
		}
		kept = append(kept, e)
	}

	if len(bytes) == 0 {
		return object
	}

	object = object.with(from, kept)
	there, _ := object.get(to).(branch)
	for _, e := range bytes {
		there = there.with(e.key, e.value)
	}

	return object.with(to, there)
}

func (b branch) index(key string) int {
	return slices.IndexFunc(b, func(e entry) bool { return e.comment == nil && e.key == key })
}

// get returns the value of a key, nil when there is none.
func (b branch) get(key string) any {
	if i := b.index(key); i >= 0 {
		return b[i].value
	}
	return nil
}

// with returns entries in which a key has another value.
func (b branch) with(key string, value any) branch {
	out := slices.Clone(b)
	if i := out.index(key); i >= 0 {
		out[i].value = value
		return out
	}
	return append(out, entry{key: key, value: value})
}
