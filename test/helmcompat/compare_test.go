package helmcompat

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
	report := compare(p.look(t, p.cli), p.look(t, p.own))
	if more := len(report) - mostShown; more > 0 {
		report = append(report[:mostShown], fmt.Sprintf("and %d more", more))
	}
	if len(report) > 0 {
		t.Errorf("%s: this differs; - is what the helm command made, + is what Fairlead made\n"+
			"%s", when, strings.Join(report, "\n"))
	}
}

// compare describes the differences of two trees, one for each leaf, and one for a whole object or record that only one
// has.
func compare(cli, own any) []string {
	left, right := map[string]any{}, map[string]any{}
	flatten(left, "", cli)
	flatten(right, "", own)
	var report []string
	told := map[string]bool{}
	for _, place := range slices.Sorted(maps.Keys(union(left, right))) {
		whole := trunk(place)
		switch diff := gocmp.Diff(left[place], right[place]); {
		case diff == "" || told[whole]:
		case !hasTrunk(left, whole):
			report, told[whole] = append(report, "+ "+whole+", and nothing like it on the other side"), true
		case !hasTrunk(right, whole):
			report, told[whole] = append(report, "- "+whole+", and nothing like it on the other side"), true
		default:
			report = append(report, place+"\n"+diff)
		}
	}
	return report
}

// trunk is the object or record that a place belongs to.
func trunk(place string) string {
	steps := strings.SplitN(place, separator, 3)
	return strings.Join(steps[:min(2, len(steps))], separator)
}

func hasTrunk(leaves map[string]any, whole string) bool {
	for place := range leaves {
		if place == whole || strings.HasPrefix(place, whole+separator) {
			return true
		}
	}
	return false
}

// separator stands between the steps to a leaf.
const separator = " > "

// mostShown is how many differences a test prints at a time.
const mostShown = 12

// flatten writes the leaves of a tree into a map, by their place. Texts of many lines, and what is empty, are leaves.
func flatten(into map[string]any, place string, in any) {
	switch value := in.(type) {
	case map[string]any:
		for key, below := range value {
			flatten(into, place+separator+key, below)
		}
		if len(value) > 0 {
			return
		}
	case []any:
		for i, below := range value {
			flatten(into, fmt.Sprintf("%s%s%d", place, separator, i), below)
		}
		if len(value) > 0 {
			return
		}
	}
	into[strings.TrimPrefix(place, separator)] = in
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

// comparable returns a tree without what may differ: namespaces and chance replaced, texts of many lines as lists of
// lines, and differences that are listed left out.
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
		if d.scenario != "" && d.scenario != p.name || d.fails && !p.fails {
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
