// Package redact hides secrets in texts that quote them: errors, conditions, events, diffs and plans.
//
//	values, Secrets ─► NewMask ─► Mask ─► Apply(text), Error(err) ─► *** in place of each secret
//
// It is pure. A text is redacted where it leaves the package that made it, before it is shortened or stored.
package redact

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// minMasked is the shortest text, in bytes, that is hidden wherever it occurs; shorter ones occur everywhere by
	// chance.
	minMasked = 4
	// minQuoted is the shortest text, in bytes, that is hidden where it stands in quotes. A single byte is never hidden.
	minQuoted = 2
	// maxSecrets and maxSecretBytes bound the texts of one mask. They are what a few full Secrets hold.
	maxSecrets     = 20_000
	maxSecretBytes = 2 << 20
	// hidden replaces a secret.
	hidden = "***"
	// withheld replaces a text that cannot be checked.
	withheld = "(the message is left out: there are too many secret values to check it against)"
)

// Mask hides secrets in text that may quote values, such as errors of templates and of the API server. It knows the
// encodings in which such texts quote a value; see forms. The zero value hides nothing. A Mask may be used by several
// goroutines.
//
// A text has to be masked before it is shortened. Where another program has shortened it, what is left in front of
// "..." or "…" is hidden too when it is the beginning of a secret.
type Mask struct{ secrets *secrets }

// secrets are texts to hide. The forms in which they occur are worked out when the first text is masked: most masks
// never see one.
type secrets struct {
	texts   []string
	tooMany bool

	once  sync.Once
	index formIndex
}

// NewMask returns a mask for every text and number in the given values: maps, lists or single values. Each line of a
// text with several lines counts by itself too, because errors quote lines.
func NewMask(secret ...any) Mask {
	var c collector
	for _, values := range secret {
		c.collect(values)
	}
	return newMask(c.texts)
}

func newMask(texts []string) Mask {
	if len(texts) == 0 {
		return Mask{}
	}

	slices.Sort(texts)
	texts = slices.Compact(texts)
	size := 0
	for _, text := range texts {
		size += len(text)
	}

	return Mask{&secrets{texts: texts, tooMany: len(texts) > maxSecrets || size > maxSecretBytes}}
}

// Join returns a mask that hides what either of the two hides.
func (m Mask) Join(other Mask) Mask {
	switch {
	case other.secrets == nil, m.secrets == other.secrets:
		return m
	case m.secrets == nil:
		return other
	default:
		return newMask(slices.Concat(m.secrets.texts, other.secrets.texts))
	}
}

// Apply returns the text with every secret replaced. With more secrets than can be looked for, nothing of the text is
// returned.
func (m Mask) Apply(text string) string {
	switch {
	case m.secrets == nil || text == "":
		return text
	case m.secrets.tooMany:
		return withheld
	}

	m.secrets.once.Do(func() { m.secrets.index = newFormIndex(m.secrets.texts) })
	spans := m.secrets.index.find(text)
	if len(spans) == 0 {
		return text
	}

	var out strings.Builder
	end := 0
	for _, s := range spans {
		out.WriteString(text[end:s.begin])
		out.WriteString(hidden)
		end = s.end
	}

	out.WriteString(text[end:])
	return out.String()
}

// collector gathers the texts of values.
type collector struct{ texts []string }

func (c *collector) collect(value any) {
	switch typed := value.(type) {
	case map[string]any:
		for _, below := range typed {
			c.collect(below)
		}
	case []any:
		for _, below := range typed {
			c.collect(below)
		}
	case []byte:
		c.text(string(typed))
	case string:
		c.text(typed)
	case int64:
		c.add(strconv.FormatInt(typed, 10))
	case float64:
		c.add(fmt.Sprint(typed))
		c.add(strconv.FormatFloat(typed, 'f', -1, 64))
	}
}

// text adds a text, its lines, and the secrets that it is known to wrap.
func (c *collector) text(text string) {
	c.add(text)
	if strings.Contains(text, "\n") {
		for line := range strings.Lines(text) {
			c.add(line)
		}
	}
	for _, inner := range wrapped(text) {
		c.collect(inner)
	}
}

func (c *collector) add(text string) {
	if text = strings.TrimSpace(text); len(text) >= minQuoted {
		c.texts = append(c.texts, text)
	}
}
