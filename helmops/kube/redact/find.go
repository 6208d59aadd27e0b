package redact

import (
	"cmp"
	"regexp"
	"slices"
	"sort"
	"strings"
)

const (
	// maxCut is how much of a shortened secret is looked for, minCutAtEnd how much of it there has to be at the end of a
	// text, where nothing says that it was shortened; both in bytes.
	maxCut      = 512
	minCutAtEnd = 8
	// maxCuts bounds the places of one text at which something was shortened.
	maxCuts = 4096
)

// span is a part of a text, in bytes.
type span struct{ begin, end int }

// formIndex finds forms in a text. Its cost is that of a binary search for each byte of the text.
type formIndex struct {
	// forms are sorted. parents are the longest other forms with which each of them begins, -1 for none.
	forms   []form
	parents []int
	// begins says which pairs of bytes a form begins with.
	begins map[[2]byte]struct{}
}

func newFormIndex(texts []string) formIndex {
	var all []form
	for _, text := range texts {
		all = append(all, forms(text)...)
	}

	slices.SortFunc(all, func(a, b form) int {
		if order := strings.Compare(a.text, b.text); order != 0 || a.base64 == b.base64 {
			return order
		}
		if a.base64 {
			return -1
		}

		return 1
	})
	all = slices.CompactFunc(all, func(a, b form) bool { return a.text == b.text })
	x := formIndex{forms: all, parents: make([]int, len(all)), begins: map[[2]byte]struct{}{}}
	for i, f := range all {
		x.begins[[2]byte{f.text[0], f.text[1]}] = struct{}{}
		parent := i - 1
		for parent >= 0 && !strings.HasPrefix(f.text, all[parent].text) {
			parent = x.parents[parent]
		}

		x.parents[i] = parent
	}

	return x
}

// find returns the parts of a text that are to be hidden, in order and apart from each other.
func (x formIndex) find(text string) []span {
	var found []span
	for at := 0; at+1 < len(text); at++ {
		if _, is := x.begins[[2]byte{text[at], text[at+1]}]; !is {
			continue
		}

		f := x.longest(text[at:])
		if f == nil {
			continue
		}

		s := span{at, at + len(f.text)}
		if f.base64 {
			s = widened(text, s)
		}

		found = append(found, s)
	}

	return merged(append(found, x.cuts(text)...))
}

// longest returns the longest form that a text begins with, nil when there is none. Every form that the text begins
// with is the beginning of the last form that is not behind the text in the order.
func (x formIndex) longest(text string) *form {
	at := sort.Search(len(x.forms), func(i int) bool { return x.forms[i].text > text }) - 1
	if at < 0 {
		return nil
	}

	same := common(x.forms[at].text, text)
	for at >= 0 && len(x.forms[at].text) > same {
		at = x.parents[at]
	}
	if at < 0 {
		return nil
	}

	return &x.forms[at]
}

// common is how many bytes two texts begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// cuts are the beginnings of forms in front of the places at which a text was shortened.
func (x formIndex) cuts(text string) []span {
	var found []span
	for at, n := 0, 0; n < maxCuts; n++ {
		next, width := ellipsis(text[at:])
		if next < 0 {
			break
		}
		if s, is := x.cut(text, at+next, minMasked); is {
			found = append(found, s)
		}

		at += next + width
	}

	if s, is := x.cut(text, len(text), minCutAtEnd); is {
		found = append(found, s)
	}

	return found
}

// ellipsis finds the next place at which a text was shortened, -1 when there is none.
func ellipsis(text string) (at, width int) {
	const dots, character = "...", "…"
	at = strings.Index(text, dots)
	other := strings.Index(text, character)
	switch {
	case other >= 0 && (at < 0 || other < at):
		return other, len(character)
	case at < 0:
		return -1, 0
	}

	width = len(dots)
	for at+width < len(text) && text[at+width] == '.' {
		width++
	}

	return at, width
}

// torn is what is left of a character that was cut in two, as it is or as Go quotes it.
var torn = regexp.MustCompile(`(?:\\x[0-9a-f]{2}|\x{FFFD})+$`)

// cut returns the longest beginning of a form that ends at a place in a text, but for a torn character.
func (x formIndex) cut(text string, end, least int) (span, bool) {
	whole := end
	if at := torn.FindStringIndex(text[max(0, end-16):end]); at != nil {
		end = max(0, end-16) + at[0]
	}

	for begin := max(0, end-maxCut); begin <= end-least; begin++ {
		if _, is := x.begins[[2]byte{text[begin], text[begin+1]}]; !is {
			continue
		}

		part := text[begin:end]
		at := sort.Search(len(x.forms), func(i int) bool { return x.forms[i].text >= part })
		if at < len(x.forms) && strings.HasPrefix(x.forms[at].text, part) {
			return span{begin, whole}, true
		}
	}

	return span{}, false
}

// widened adds the characters beside a part in base64, which hold bits of the secret too.
func widened(text string, s span) span {
	if s.begin > 0 && isBase64(text[s.begin-1]) {
		s.begin--
	}
	if s.end < len(text) && isBase64(text[s.end]) {
		s.end++
	}

	for s.end < len(text) && text[s.end] == '=' {
		s.end++
	}

	return s
}

func isBase64(b byte) bool {
	return b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("+/-_", b) >= 0
}

// merged sorts parts and puts those together that overlap or touch.
func merged(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end)) })
	var out []span
	for _, s := range all {
		last := len(out) - 1
		if last >= 0 && s.begin <= out[last].end {
			out[last].end = max(out[last].end, s.end)
			continue
		}

		out = append(out, s)
	}

	return out
}
