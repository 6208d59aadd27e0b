package values

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// minMasked is the shortest text that is taken for a secret; shorter ones occur everywhere by chance.
const minMasked = 4

// Mask hides secrets in text that may quote values, such as errors of templates and of the API server.
type Mask struct {
	secrets []string
}

// NewMask returns a mask for every text and number in the given values: maps, lists or single values. Each line of a text
// with several lines counts by itself too, because errors quote lines.
func NewMask(secret ...any) Mask {
	var found []string
	for _, values := range secret {
		found = collect(found, values)
	}
	// The longest first, so that a secret that contains another is hidden whole.
	slices.SortFunc(found, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return Mask{secrets: slices.Compact(found)}
}

// Apply returns the text with every secret replaced.
func (m Mask) Apply(text string) string {
	for _, secret := range m.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

func collect(found []string, value any) []string {
	switch typed := value.(type) {
	case map[string]any:
		for _, below := range typed {
			found = collect(found, below)
		}
	case []any:
		for _, below := range typed {
			found = collect(found, below)
		}
	case string:
		for _, text := range append(strings.Split(typed, "\n"), typed) {
			found = appendForms(found, strings.TrimSpace(text))
		}
	case int64:
		found = appendForms(found, strconv.FormatInt(typed, 10))
	case float64:
		found = appendForms(found, fmt.Sprint(typed))
		found = appendForms(found, strconv.FormatFloat(typed, 'f', -1, 64))
	}
	return found
}

// appendForms adds a text as it is, and as Go and JSON quote it.
func appendForms(found []string, text string) []string {
	if len(text) < minMasked {
		return found
	}
	found = append(found, text)
	if quoted := unquoted(strconv.Quote(text)); quoted != text {
		found = append(found, quoted)
	}
	if encoded, err := json.Marshal(text); err == nil {
		if inner := unquoted(string(encoded)); inner != text {
			found = append(found, inner)
		}
	}
	return found
}

// unquoted drops the outer quotes.
func unquoted(text string) string { return text[1 : len(text)-1] }
