package values

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"helm.sh/helm/v3/pkg/strvals"
)

// maxTargetPath bounds the path of a single value, in bytes.
const maxTargetPath = 250

// A path is keys with dots between them, each followed by any number of indexes. Helm's parser drops values without a
// word where a key is empty, so the pattern is stricter than that of the API.
var (
	targetPath = regexp.MustCompile(`^` + pathKey + `(\.` + pathKey + `)*$`)
	listIndex  = regexp.MustCompile(`\[([0-9]+)\]`)
	escape     = regexp.MustCompile(`\\.`)
)

const pathKey = `([a-zA-Z0-9_\-/]|\\[a-zA-Z0-9_\-./\\])+(\[[0-9]{1,5}\])*`

// budget counts the list items that the paths of all layers ask for: a short path may ask for a long list.
type budget struct{ items int }

// set writes the value of a layer with a target path into the values, in place.
func (b *budget) set(into map[string]any, layer Layer) error {
	cause := b.check(layer.TargetPath)
	if cause == "" && !utf8.Valid(layer.Data) {
		cause = "gets data that is no UTF-8 text"
	}
	if cause == "" {
		cause = assign(into, layer)
	}
	if cause != "" {
		return &LayerError{
			Origin: layer.Origin, Cause: fmt.Sprintf("cannot be used: targetPath %s %s", shown(layer.TargetPath), cause),
		}
	}

	return nil
}

// assign hands path and value to Helm's parser. It refuses what the parser would take for further values, and quotes
// none of its errors: they may hold the value.
func assign(into map[string]any, layer Layer) string {
	value := string(layer.Data)
	parse := strvals.ParseInto
	if layer.Literal {
		// Helm's parser of literal values knows no escapes in the path; with the value escaped instead, both kinds share
		// one syntax of paths.
		value, parse = escaped(value), strvals.ParseIntoString
	} else if text, quoted := unquotedText(value); quoted {
		value = text
		parse = strvals.ParseIntoString
	}

	if !single(value) {
		return `gets more than one value; write \, for a comma that belongs to the value, or set literal`
	}

	if value == "" {
		// Helm's parser loses an empty value below a list item when nothing follows.
		value = ","
	}

	if parse(layer.TargetPath+"="+value, into) != nil {
		return "leads through a value that is no map or list, or gets a value that --set of Helm does not understand"
	}

	return ""
}

// check says what is wrong with a path, empty when it can be used.
func (b *budget) check(path string) string {
	if len(path) > maxTargetPath || !targetPath.MatchString(path) {
		return fmt.Sprintf(`is no path of at most %d bytes like image.tag, list[2] or annotations.example\.com/name`,
			maxTargetPath)
	}

	for _, found := range listIndex.FindAllStringSubmatch(path, -1) {
		// The pattern holds the index to five digits.
		number, _ := strconv.Atoi(found[1])
		if number > strvals.MaxIndex {
			return fmt.Sprintf("has an index above %d", strvals.MaxIndex)
		}

		b.items += number + 1
	}

	switch {
	case b.items > 4*(strvals.MaxIndex+1):
		return "makes the lists of all target paths too long"
	case strings.Count(escape.ReplaceAllString(path, ""), ".") > strvals.MaxNestedNameLevel:
		return fmt.Sprintf("is deeper than %d keys", strvals.MaxNestedNameLevel)
	}

	return ""
}

// unquotedText returns the text between quotes, if the value is within one pair of them.
func unquotedText(value string) (string, bool) {
	if len(value) < 2 {
		return value, false
	}
	first := value[0]
	last := value[len(value)-1]
	if first != last || first != '"' && first != '\'' {
		return value, false
	}
	return value[1 : len(value)-1], true
}

// single reports whether Helm's parser takes the text for one value: no comma ends it early, nothing follows a list.
func single(value string) bool {
	list := strings.HasPrefix(value, "{")
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\':
			i++
		case list && value[i] == '}':
			return i == len(value)-1
		case !list && value[i] == ',':
			return false
		}
	}

	return true
}

// escaped returns the value so that Helm's parser reads every character as it is.
func escaped(value string) string {
	value = strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(value)
	if strings.HasPrefix(value, "{") {
		value = `\` + value
	}
	return value
}

// shown is the path for a message, cut when it is far too long.
func shown(path string) string {
	if len(path) > maxTargetPath {
		path = path[:maxTargetPath]
		return strconv.Quote(strings.ToValidUTF8(path, "")) + "…"
	}
	return strconv.Quote(path)
}
