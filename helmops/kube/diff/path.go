package diff

import (
	"strconv"
	"strings"
)

// At returns the value at the path of a Field; it is false when there is none. The path is one that Compare gave.
func At(object map[string]any, path string) (any, bool) {
	var value any = object
	for rest := path; rest != ""; {
		var step string
		var has bool
		switch rest[0] {
		case '.':
			step, rest = cutKey(rest[1:])
			value, has = itemOf(value, step)
		case '[':
			value, rest, has = bracketed(value, rest[1:])
		}
		if !has {
			return nil, false
		}
	}
	return value, true
}

// cutKey cuts a plain key from the beginning of a path.
func cutKey(text string) (key, rest string) {
	end := strings.IndexAny(text, ".[")
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}

func itemOf(value any, key string) (any, bool) {
	content, _ := value.(map[string]any)
	item, has := content[key]
	return item, has
}

// bracketed follows a step in brackets, whose first one was cut: an index, a quoted key, or the name of an item.
func bracketed(value any, text string) (found any, rest string, has bool) {
	if quoted, rest, is := cutQuoted(text); is {
		found, has = itemOf(value, quoted)
		return found, rest, has
	}

	items, _ := value.([]any)
	if named, is := strings.CutPrefix(text, "name="); is {
		name, rest, closed := cutQuoted(named)
		if !closed {
			return nil, "", false
		}

		found, has = namedItem(items, name)
		return found, rest, has
	}

	number, rest, closed := strings.Cut(text, "]")
	index, err := strconv.Atoi(number)
	if !closed || err != nil || index < 0 || index >= len(items) {
		return nil, "", false
	}

	return items[index], rest, true
}

func namedItem(items []any, name string) (any, bool) {
	for _, item := range items {
		if content, is := item.(map[string]any); is && content["name"] == name {
			return item, true
		}
	}
	return nil, false
}

// cutQuoted cuts a quoted text and the bracket behind it.
func cutQuoted(text string) (value, rest string, is bool) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", false
	}

	value, err = strconv.Unquote(quoted)
	rest, closed := strings.CutPrefix(text[len(quoted):], "]")
	return value, rest, err == nil && closed
}
