package values

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var errPath = errors.New(`is no path like image.tag, hosts[0] or annotations.example\.com/name`)

// ParsePath reads a path in the syntax of Helm's --set, as PathText writes it: keys are separated by dots, list items
// are hosts[0], and a backslash takes the next character as it is. List items are numbers in the result.
func ParsePath(text string) ([]string, error) {
	var path []string
	rest := text
	for {
		key, after, ok := cutKey(rest)
		if !ok {
			return nil, fmt.Errorf("%q %w", text, errPath)
		}

		path = append(path, key)
		for strings.HasPrefix(after, "[") {
			index, behind, closed := strings.Cut(after[1:], "]")
			if !closed || !isIndex(index) {
				return nil, fmt.Errorf("%q %w", text, errPath)
			}

			path = append(path, index)
			after = behind
		}

		if after == "" {
			return path, nil
		}
		if rest, ok = strings.CutPrefix(after, "."); !ok {
			return nil, fmt.Errorf("%q %w", text, errPath)
		}
	}
}

// cutKey cuts a key from the beginning of a path. It is false when there is none.
func cutKey(text string) (key, after string, ok bool) {
	read := strings.Builder{}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '.', '[':
			return read.String(), text[i:], read.Len() > 0
		case ']':
			return "", "", false
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}

		read.WriteByte(text[i])
	}

	return read.String(), "", read.Len() > 0
}

func isIndex(text string) bool {
	number, err := strconv.Atoi(text)
	return err == nil && number >= 0 && strconv.Itoa(number) == text
}

var escapes = strings.NewReplacer(`\`, `\\`, ".", `\.`, "[", `\[`, "]", `\]`, ",", `\,`, "=", `\=`)

// PathText is the path of a key below another one, in the syntax of Helm's --set; path is empty for the top.
func PathText(path, key string) string {
	if path == "" {
		return escapes.Replace(key)
	}
	return path + "." + escapes.Replace(key)
}

// ItemText is the path of an item of the list at path.
func ItemText(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }

// At returns the value at a path; list items are numbers. It is false when there is none.
func At(value any, path []string) (any, bool) {
	for _, key := range path {
		switch v := value.(type) {
		case map[string]any:
			below, is := v[key]
			if !is {
				return nil, false
			}

			value = below
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}

			value = v[i]
		default:
			return nil, false
		}
	}

	return value, true
}
