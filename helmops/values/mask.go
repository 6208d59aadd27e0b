package values

import (
	"slices"
	"strings"
)

// minMasked is the shortest text that is taken for a secret; shorter ones occur everywhere by chance.
const minMasked = 4

// Mask hides secrets in text that may quote values, such as errors of templates and of the API server.
type Mask struct {
	secrets []string
}

// NewMask returns a mask for every text in the given values. Each line of a text with several lines counts by itself too,
// because errors quote lines.
func NewMask(secret ...map[string]any) Mask {
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
			if text = strings.TrimSpace(text); len(text) >= minMasked {
				found = append(found, text)
			}
		}
	}
	return found
}
