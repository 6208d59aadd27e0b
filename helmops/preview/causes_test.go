package preview

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// toy renders one ConfigMap from its inputs, each of which is old or new.
type toy struct {
	fields func(is func(int) bool) map[string]string
	// object is whether there is another object; nil is never.
	object func(is func(int) bool) bool
	// refuses are inputs that have to be new.
	refuses []int
	calls   int
}

func (c *toy) render(back []int) Rendering {
	is := func(i int) bool { return !slices.Contains(back, i) }
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: web}\ndata: {same: x}\nspec:\n  x: x\n"
	for key, value := range c.fields(is) {
		text += fmt.Sprintf("  %s: %s\n", key, value)
	}
	if c.object != nil && c.object(is) {
		text += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
	}

	return Rendering{Manifest: text}
}

func (c *toy) takeBack(back []int) (Rendering, error) {
	c.calls++
	for _, i := range c.refuses {
		if slices.Contains(back, i) {
			return Rendering{}, errors.New("a required value is missing")
		}
	}
	return c.render(back), nil
}

func choose(is bool) string {
	if is {
		return "new"
	}
	return "old"
}

func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func field1(value func(is func(int) bool) bool) func(func(int) bool) map[string]string {
	return func(is func(int) bool) map[string]string { return map[string]string{"a": choose(value(is))} }
}

func TestCauses(t *testing.T) {
	t.Parallel()
	one := field1(func(is func(int) bool) bool { return is(0) })
	target := []Target{{Kind: "ConfigMap", Name: "c", Path: ".spec.a"}}
	for name, tt := range map[string]struct {
		toy     toy
		groups  [][]int
		rest    []int
		limit   int
		targets []Target
		want    Cause
		// calls is how many renderings there are at most.
		calls int
	}{
		"one change":      {toy: toy{fields: one}, groups: [][]int{{0}, {1}}, want: Cause{Changes: []int{0}}, calls: 3},
		"the only change": {toy: toy{fields: one}, groups: [][]int{{0}}, want: Cause{Changes: []int{0}}, calls: 1},
		"one of a group": {
			toy: toy{fields: field1(func(is func(int) bool) bool { return is(5) })}, groups: [][]int{numbers(8), {8}},
			want: Cause{Changes: []int{5}}, calls: 9,
		},
		"two that are both needed": {
			toy:    toy{fields: field1(func(is func(int) bool) bool { return is(0) && is(2) })},
			groups: [][]int{{0}, {1, 2}}, want: Cause{Changes: []int{0, 2}}, calls: 5,
		},
		"two of which one is enough": {
			toy:    toy{fields: field1(func(is func(int) bool) bool { return is(0) || is(2) })},
			groups: [][]int{{0}, {1, 2}, {3}}, want: Cause{Changes: []int{0, 2}, Together: true}, calls: 12,
		},
		"two of a group of which one is enough": {
			toy:    toy{fields: field1(func(is func(int) bool) bool { return is(0) || is(3) })},
			groups: [][]int{{0, 1, 2, 3}}, want: Cause{Changes: []int{0, 3}, Together: true}, calls: 10,
		},
		"what cannot be taken back": {
			toy: toy{fields: one}, groups: [][]int{{1}}, rest: []int{0}, want: Cause{Changes: []int{0}}, calls: 1,
		},
		"nothing can be taken back": {
			toy: toy{fields: one}, rest: []int{0}, want: Cause{Changes: []int{0}},
		},
		"one of two that cannot be taken back": {
			toy: toy{fields: one}, groups: [][]int{{2}}, rest: []int{0, 1}, calls: 1,
			want: Cause{Changes: []int{0, 1}, Among: true},
		},
		"one that can and one that cannot": {
			toy: toy{fields: func(is func(int) bool) map[string]string {
				return map[string]string{"a": choose(is(0)) + choose(is(1))}
			}}, groups: [][]int{{1}}, rest: []int{0}, want: Cause{Changes: []int{0, 1}}, calls: 1,
		},
		"none of the changes": {
			toy: toy{fields: one}, groups: [][]int{{1}}, want: Cause{Unknown: UnknownInput}, calls: 1,
		},
		"a field that comes": {
			toy: toy{fields: func(is func(int) bool) map[string]string {
				if is(0) {
					return map[string]string{"a": "new"}
				}
				return nil
			}}, groups: [][]int{{0}, {1}}, want: Cause{Changes: []int{0}}, calls: 3,
		},
		"an object that comes": {
			toy:    toy{fields: one, object: func(is func(int) bool) bool { return is(1) }},
			groups: [][]int{{0}, {1}}, targets: []Target{{Kind: "Secret", Name: "s"}}, calls: 3,
			want: Cause{Changes: []int{1}},
		},
		"an object that goes": {
			toy:    toy{fields: one, object: func(is func(int) bool) bool { return !is(1) }},
			groups: [][]int{{0}, {1}}, targets: []Target{{Kind: "Secret", Name: "s"}}, calls: 3,
			want: Cause{Changes: []int{1}},
		},
		"the limit before anything is known": {
			toy: toy{fields: one}, groups: [][]int{{1}, {0}}, limit: 1, want: Cause{Changes: []int{0, 1}, Among: true,
				Unknown: UnknownLimit},
			calls: 1,
		},
		"the limit within a group": {
			toy:    toy{fields: field1(func(is func(int) bool) bool { return is(3) })},
			groups: [][]int{{0, 1, 2, 3}, {4}}, limit: 3, calls: 3,
			want: Cause{Changes: []int{0, 1, 2, 3}, Among: true, Unknown: UnknownLimit},
		},
		"the limit before the last change": {
			toy: toy{fields: one}, groups: [][]int{{0}, {1}}, limit: 2, calls: 2,
			want: Cause{Changes: []int{0}, Unknown: UnknownLimit},
		},
		"a chart that refuses one of the former inputs": {
			toy:    toy{fields: field1(func(is func(int) bool) bool { return is(2) }), refuses: []int{1}},
			groups: [][]int{{0}, {1, 2}}, want: Cause{Changes: []int{2}}, calls: 6,
		},
		"a chart that refuses all of the former inputs": {
			toy:    toy{fields: one, refuses: []int{0, 1}},
			groups: [][]int{{0}, {1}}, want: Cause{Unknown: UnknownRefused}, calls: 6,
		},
	} {
		if tt.limit == 0 {
			tt.limit = 40
		}
		if tt.targets == nil {
			tt.targets = target
		}
		got, err := FindCauses(CauseInput{
			From: tt.toy.render(numbers(20)), To: tt.toy.render(nil), Namespace: "web", Targets: tt.targets,
			Groups: tt.groups, Rest: tt.rest, Limit: tt.limit, TakeBack: tt.toy.takeBack,
		})
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if diff := cmp.Diff(tt.want, got[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if tt.toy.calls > tt.calls {
			t.Errorf("%s: it renders %d times, at most %d are needed", name, tt.toy.calls, tt.calls)
		}
	}
}

// Each field has its own causes, and they share the renderings.
func TestCausesOfManyFields(t *testing.T) {
	t.Parallel()
	chart := &toy{fields: func(is func(int) bool) map[string]string {
		out := map[string]string{}
		for i := range 8 {
			out[fmt.Sprintf("f%d", i)] = choose(is(i))
		}
		return out
	}}
	in := CauseInput{
		From: chart.render(numbers(8)), To: chart.render(nil), Namespace: "web", Groups: [][]int{numbers(8)}, Limit: 40,
		TakeBack: chart.takeBack,
	}
	for i := range 8 {
		in.Targets = append(in.Targets, Target{Kind: "ConfigMap", Name: "c", Path: fmt.Sprintf(".spec.f%d", i)})
	}

	got, err := FindCauses(in)
	if err != nil {
		t.Fatal(err)
	}

	for i, cause := range got {
		if diff := cmp.Diff(Cause{Changes: []int{i}}, cause); diff != "" {
			t.Errorf("field %d (-want +got):\n%s", i, diff)
		}
	}
	if chart.calls != 15 {
		t.Errorf("it renders %d times, want once for each half of each half", chart.calls)
	}
}

// When the time is over, what is known is kept, and no further rendering is begun.
func TestCausesEndWithTheTime(t *testing.T) {
	t.Parallel()
	chart := &toy{fields: field1(func(is func(int) bool) bool { return is(1) })}
	in := CauseInput{
		From: chart.render(numbers(3)), To: chart.render(nil), Namespace: "web",
		Groups: [][]int{{0}, {1}, {2}}, Limit: 40,
		Targets: []Target{{Kind: "ConfigMap", Name: "c", Path: ".spec.a"}},
		TakeBack: func(back []int) (Rendering, error) {
			if chart.calls == 2 {
				return Rendering{}, fmt.Errorf("rendering: %w", ErrStopped)
			}
			return chart.takeBack(back)
		},
	}
	got, err := FindCauses(in)
	want := []Cause{{Changes: []int{0, 1, 2}, Among: true, Unknown: UnknownLimit}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil || chart.calls != 2 {
		t.Errorf("%v, %d calls (-want +got):\n%s", err, chart.calls, diff)
	}
}

func TestCausesOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	const broken = "{hunter2"
	for _, in := range []CauseInput{
		{From: Rendering{Manifest: broken}}, {To: Rendering{Manifest: broken}},
	} {
		if _, err := FindCauses(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %v", err)
		}
	}
}
