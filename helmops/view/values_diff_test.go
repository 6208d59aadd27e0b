package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/values"
)

func valuesOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// rowsOf writes each difference in one line.
func rowsOf(t *testing.T, differences []ValueDifference) string {
	t.Helper()
	var out strings.Builder
	for _, d := range differences {
		from, errFrom := json.Marshal(d.From)
		to, errTo := json.Marshal(d.To)
		if errFrom != nil || errTo != nil {
			t.Fatal(errFrom, errTo)
		}
		fmt.Fprintf(&out, "%s %s %s %s\n", d.Path, d.Change, from, to)
	}
	return out.String()
}

func TestValueDifferences(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, from, to string
		want           string
	}{
		{name: "the same values do not differ", from: "a: {b: [1, 2]}", to: "a: {b: [1, 2]}"},
		{name: "none and empty values do not differ", from: "", to: "{}"},
		{name: "a value changes", from: "image: {tag: 1.18.4}", to: "image: {tag: 1.19.0}",
			want: `image.tag changed "1.18.4" "1.19.0"`},
		{name: "a value is added, another removed", from: "debug: true", to: "level: 3",
			want: "debug removed true null\nlevel added null 3"},
		{name: "a map is added value by value", from: "{}", to: "a: {b: {c: 1}, d: 2}",
			want: "a.b.c added null 1\na.d added null 2"},
		{name: "an empty map gets content", from: "a: {}", to: "a: {b: 1}", want: "a.b added null 1"},
		{name: "a map becomes a text", from: "a: {b: 1}", to: "a: none",
			want: "a.b removed 1 null\na added null \"none\""},
		{name: "a map becomes a list", from: "a: {b: 1}", to: "a: [1]", want: "a.b removed 1 null\na[0] added null 1"},
		{name: "an empty map becomes an empty list", from: "a: {}", to: "a: []", want: "a changed {} []"},
		{name: "lists are compared item by item", from: "a: [x, {k: 1}, z]", to: "a: [x, {k: 2}]",
			want: "a[1].k changed 1 2\na[2] removed \"z\" null"},
		{name: "items are in the order of the list", from: "a: [1,1,1,1,1,1,1,1,1,1,1]",
			to:   "a: [1,1,0,1,1,1,1,1,1,1,0]",
			want: "a[2] changed 1 0\na[10] changed 1 0"},
		{name: "a null that drops a default", from: "{}", to: "a: null", want: "a added null null"},
		{name: "a text is not a number", from: `tag: "1.10"`, to: "tag: 1.1", want: `tag changed "1.10" 1.1`},
		{name: "keys are escaped as in fairlead values", from: `{a.b: {"c=d": 1}}`, to: `{a.b: {"c=d": 2}}`,
			want: `a\.b.c\=d changed 1 2`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			from := valuesOf(t, tt.from)
			to := valuesOf(t, tt.to)
			layers := []values.Layer{{Origin: "spec.values", Data: []byte(tt.to)}}
			got := ValueDifferences(StoredValues(from, from, false), WantedValues(to, layers), nil)
			if diff := cmp.Diff(tt.want, strings.TrimSpace(rowsOf(t, got))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got == nil {
				t.Error("the rows are nil")
			}
		})
	}
}

// Values read from YAML may be whole numbers, those of a record are floating point numbers.
func TestValueDifferencesCompareNumbersByValue(t *testing.T) {
	t.Parallel()
	stored := map[string]any{"a": []any{float64(3)}, "b": map[string]any{"c": float64(4)}}
	wanted := map[string]any{"a": []any{int64(3)}, "b": map[string]any{"c": 4}}
	if got := ValueDifferences(StoredValues(stored, wanted, true), WantedValues(wanted, nil), nil); len(got) != 0 {
		t.Errorf("differences %+v", got)
	}
}

func TestValueDifferencesShowNoSecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	layers := []values.Layer{
		{Origin: "Secret web/login", Secret: true, Data: []byte("db: {password: new-" + secret + ", pin: 7}")},
		{Origin: "Secret web/token", Secret: true, TargetPath: "list[0]", Data: []byte(secret)},
		{Origin: "spec.values", Data: []byte("tag: b\nurl: \"https://new-" + secret + "@host\"")},
	}
	wanted := valuesOf(t, "db: {password: new-"+secret+", pin: 7}\nlist: ["+secret+"]\ntag: b\n"+
		"url: \"https://new-"+secret+"@host\"")
	former := valuesOf(t, "db: {password: "+secret+", pin: 6}\nlist: [old-"+secret+"]\ntag: a\nflag: true")
	mask := func(text string) string { return strings.ReplaceAll(text, "new-"+secret, Masked) }
	tests := []struct {
		name     string
		from, to GivenValues
		want     string
	}{
		{
			name: "what came from a Secret is known of wanted values, and not of stored ones",
			from: StoredValues(former, wanted, true), to: WantedValues(wanted, layers),
			want: `db.password changed "***" "***"
db.pin changed "***" "***"
flag removed "***" null
list[0] changed "***" "***"
tag changed "***" "b"
url added null "https://***@host"`,
		},
		{
			name: "stored values that are known are shown",
			from: StoredValues(valuesOf(t, "db: {password: "+secret+"}\ntag: a"), valuesOf(t, "tag: a"), true),
			to:   StoredValues(valuesOf(t, "db: {password: "+secret+"2}\ntag: b"), valuesOf(t, "tag: b"), true),
			want: `db.password changed "***" "***"
tag changed "a" "b"`,
		},
		{
			name: "without Secrets, values that are no longer set may have come from one",
			from: StoredValues(former, valuesOf(t, "tag: b\ndb: none"), false),
			to:   StoredValues(valuesOf(t, "tag: b\ndb: none"), valuesOf(t, "tag: b\ndb: none"), false),
			want: `db.password removed "***" null
db.pin removed "***" null
db added null "none"
flag removed true null
list[0] removed "***" null
tag changed "a" "b"`,
		},
		{
			name: "what was kept of a stored revision may be secret",
			from: StoredValues(valuesOf(t, "{}"), nil, false),
			to:   WantedValues(valuesOf(t, "kept: "+secret+"\nflag: false"), nil),
			want: `flag added null false
kept added null "***"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.TrimSpace(rowsOf(t, ValueDifferences(tt.from, tt.to, mask)))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if strings.Contains(got, secret) {
				t.Errorf("it shows the secret:\n%s", got)
			}
		})
	}
}

// A secret is masked before the text is cut: half of it would not be recognised.
func TestValueDifferencesCutTexts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxShownValue-3) + "hunter2" + strings.Repeat("y", maxShownValue)
	mask := func(text string) string { return strings.ReplaceAll(text, "hunter2", Masked) }
	to := WantedValues(map[string]any{"a": long + "\x1b[31m"}, []values.Layer{{Data: []byte("a: b")}})
	got := ValueDifferences(StoredValues(nil, nil, false), to, mask)
	if len(got) != 1 || got[0].To != strings.Repeat("x", maxShownValue-3)+Masked+"…" {
		t.Errorf("differences %+v", got)
	}
}
