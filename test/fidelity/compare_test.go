package fidelity

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// same fails the test where the two sides differ, but for what is listed in differences.
func (p *play) same(t *testing.T, when string) {
	t.Helper()
	cli, own := map[string]any{}, map[string]any{}
	flatten(cli, "", p.look(t, p.cli))
	flatten(own, "", p.look(t, p.own))
	var report []string
	for _, place := range slices.Sorted(maps.Keys(union(cli, own))) {
		if diff := gocmp.Diff(cli[place], own[place]); diff != "" {
			report = append(report, place+"\n"+diff)
		}
	}
	if more := len(report) - mostShown; more > 0 {
		report = append(report[:mostShown], fmt.Sprintf("and %d more", more))
	}
	if len(report) > 0 {
		t.Errorf("%s: this differs; - is what the helm command made, + is what Fairlead made\n%s", when, strings.Join(report, "\n"))
	}
}

// mostShown is how many differences a test prints at a time.
const mostShown = 12

// flatten writes the leaves of a tree into a map, by their place. Texts of many lines, and what is empty, are leaves.
func flatten(into map[string]any, place string, in any) {
	switch value := in.(type) {
	case map[string]any:
		for key, below := range value {
			flatten(into, place+" > "+key, below)
		}
		if len(value) > 0 {
			return
		}
	case []any:
		for i, below := range value {
			flatten(into, fmt.Sprintf("%s > %d", place, i), below)
		}
		if len(value) > 0 {
			return
		}
	}
	into[strings.TrimPrefix(place, " > ")] = in
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// look takes everything that a side has, in a form that can be compared.
func (p *play) look(t *testing.T, s side) any {
	t.Helper()
	records := p.records(t, s)
	seen := map[string]any{"records": records, "objects": p.objects(t, s)}
	return p.comparable(seen, s, nil)
}

// comparable returns a tree without what may differ: namespaces and chance replaced, texts of many lines as lists of lines,
// and differences that are listed left out.
func (p *play) comparable(in any, s side, at []string) any {
	switch value := in.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, below := range value {
			name := p.neutral(key, s)
			place := append(slices.Clone(at), name)
			if p.mayDiffer(place) {
				continue
			}
			left := p.comparable(below, s, place)
			if had, isMap := below.(map[string]any); isMap && len(had) > 0 && len(left.(map[string]any)) == 0 {
				continue // nothing is left of it to compare
			}
			out[name] = left
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i := range value {
			out[i] = p.comparable(value[i], s, append(slices.Clone(at), fmt.Sprint(i)))
		}
		return out
	case string:
		return lines(p.neutral(value, s))
	default:
		return in
	}
}

// lines splits a text of more than one, so that a difference shows the line.
func lines(text string) any {
	if strings.Contains(text, "\n") {
		return strings.Split(text, "\n")
	}
	return text
}

// neutral replaces what differs between the sides by design: the namespace, and what is random.
func (p *play) neutral(text string, s side) string {
	text = strings.ReplaceAll(text, s.namespace, "NAMESPACE")
	for _, expression := range p.random {
		text = regexp.MustCompile(expression).ReplaceAllStringFunc(text, func(found string) string {
			return fmt.Sprintf("(%d characters)", len(found))
		})
	}
	return text
}

func (p *play) mayDiffer(place []string) bool {
	for _, d := range differences {
		if d.scenario != "" && d.scenario != p.name {
			continue
		}
		if slices.ContainsFunc(d.places, func(pattern []string) bool { return matches(pattern, place) }) {
			return true
		}
	}
	return false
}

// matches compares a place with a pattern, step by step; * is anything, and ? and * within a step are as in file names.
func matches(pattern, place []string) bool {
	return slices.EqualFunc(pattern, place, func(want, got string) bool {
		ok, err := path.Match(want, got)
		return want == "*" || ok && err == nil
	})
}
