package values

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/strvals"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/kube/redact"
)

func document(data string) Layer { return Layer{Origin: "document", Data: []byte(data)} }

func target(path, value string) Layer {
	return Layer{Origin: "ConfigMap apps/one, key k,", Data: []byte(value), TargetPath: path}
}

func literal(path, value string) Layer {
	layer := target(path, value)
	layer.Literal = true
	return layer
}

// Every kind of reference immediately: documents from a ConfigMap and a Secret, single values, and the inline values.
func TestMergeValuesFrom(t *testing.T) {
	t.Parallel()
	got, err := Merge(
		document("resources:\n  limits:\n    cpu: 50m\n    memory: 64Mi\n  requests:\n    cpu: 10m\n"),
		target("resources.limits.cpu", "100m"),
		target("list.example", "{a,b,c}"),
		target("list.example[2]", "d"),
		target(`podAnnotations.some\.k8s\.annotation\/env`, "production"),
		document("redis:\n  password: from-the-secret\nreplicaCount: 1\n"),
		document(`{"replicaCount": 2, "resources": {"limits": {"cpu": "75m"}, "requests": {"memory": "32Mi"}}}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	const want = `list:
  example:
  - a
  - b
  - d
podAnnotations:
  some.k8s.annotation/env: production
redis:
  password: from-the-secret
replicaCount: 2
resources:
  limits:
    cpu: 100m
    memory: 64Mi
  requests:
    cpu: 10m
    memory: 32Mi
`
	text, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestMergeTargetPath(t *testing.T) {
	tests := []struct {
		name   string
		layers []Layer
		want   string
	}{
		{name: "a number", layers: []Layer{target("a", "5")}, want: `{"a":5}`},
		{name: "a number with a leading zero is text", layers: []Layer{target("a", "05")}, want: `{"a":"05"}`},
		{name: "a fraction is text, as with --set", layers: []Layer{target("a", "1.5")}, want: `{"a":"1.5"}`},
		{name: "booleans", layers: []Layer{target("a", "true"), target("b", "False")}, want: `{"a":true,"b":false}`},
		{name: "null drops the chart's default", layers: []Layer{target("a.b", "null")}, want: `{"a":{"b":null}}`},
		{name: "the empty value is the empty text", layers: []Layer{target("a.b", "")}, want: `{"a":{"b":""}}`},
		{name: "also below a list item", layers: []Layer{target("a[0].b", "")}, want: `{"a":[{"b":""}]}`},
		{name: "quotes keep text", layers: []Layer{target("a", `"5"`), target("b", `'true'`)}, want: `{"a":"5","b":"true"}`},
		{name: "the empty text in quotes", layers: []Layer{target("a", `""`)}, want: `{"a":""}`},
		{name: "one quote is text", layers: []Layer{target("a", `"`)}, want: `{"a":"\""}`},
		{name: "quotes that do not match are text", layers: []Layer{target("a", `"5'`)}, want: `{"a":"\"5'"}`},
		{name: "an equals sign belongs to the value", layers: []Layer{target("a", "b=c")}, want: `{"a":"b=c"}`},
		{name: "an escaped comma belongs to the value", layers: []Layer{target("a", `x\,y`)}, want: `{"a":"x,y"}`},
		{name: "a list of typed items", layers: []Layer{target("a", "{1,two,true}")}, want: `{"a":[1,"two",true]}`},
		{name: "a list item in a new list", layers: []Layer{target("a[2]", "x")}, want: `{"a":[null,null,"x"]}`},
		{name: "a nested list", layers: []Layer{target("a[1][0]", "x")}, want: `{"a":[null,["x"]]}`},
		{
			name: "a key of a list item", layers: []Layer{document("a: [{b: 1, c: 2}]"), target("a[0].b", "3")},
			want: `{"a":[{"b":3,"c":2}]}`,
		},
		{name: "lines are kept", layers: []Layer{target("a", "x\ny\n")}, want: `{"a":"x\ny\n"}`},
		{name: "later target paths win", layers: []Layer{target("a", "1"), target("a", "2")}, want: `{"a":2}`},
		{name: "a document behind it does not win", layers: []Layer{target("a", "1"), document("a: 2")}, want: `{"a":1}`},
		{
			name: "a list in front is kept", layers: []Layer{document("a: [x, y]"), target("a[1]", "z")},
			want: `{"a":["x","z"]}`,
		},
		{
			name: "literal text is not typed", layers: []Layer{literal("a", "5"), literal("b", "null")},
			want: `{"a":"5","b":"null"}`,
		},
		{name: "literal text has no syntax", layers: []Layer{literal("a.b", `{x,"\,y}`)}, want: `{"a":{"b":"{x,\"\\,y}"}}`},
		{name: "literal text may be empty", layers: []Layer{literal("a[0].b", "")}, want: `{"a":[{"b":""}]}`},
		{
			name: "the path of literal text has escapes", layers: []Layer{literal(`a.b\.c\/d`, "x")},
			want: `{"a":{"b.c/d":"x"}}`,
		},
		{
			name: "without a path, literal means nothing", layers: []Layer{{Data: []byte("a: 1"), Literal: true}},
			want: `{"a":1}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Merge(tt.layers...)
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := json.Marshal(got); string(text) != tt.want {
				t.Errorf("values = %s, want %s", text, tt.want)
			}
		})
	}
}

func TestMergeTargetPathRefused(t *testing.T) {
	const secret = "hunter2"
	tests := []struct {
		name  string
		base  string
		layer Layer
		want  string
	}{
		{name: "a path with a comma", layer: target("a,b", secret), want: "is no path"},
		{name: "a path with an assignment", layer: target("a=b", secret), want: "is no path"},
		{name: "a long path", layer: target(strings.Repeat("a", 251), secret), want: "is no path"},
		{name: "an empty key in front", layer: target(".a", secret), want: "is no path"},
		{name: "an empty key within", layer: target("a..b", secret), want: "is no path"},
		{name: "an empty key at the end", layer: target("a.", secret), want: "is no path"},
		{name: "an index without a key", layer: target("[0]", secret), want: "is no path"},
		{name: "a key behind an index", layer: target("a[0]b", secret), want: "is no path"},
		{name: "an escape at the end", layer: target(`a\`, secret), want: "is no path"},
		{name: "an escaped bracket", layer: target(`a\[0]`, secret), want: "is no path"},
		{name: "a large index", layer: target("a[65537]", secret), want: "index above 65536"},
		{name: "many large indexes", layer: target("a[65535][65535][65535][65535][65535]", secret), want: "too long"},
		{name: "a deep path", layer: target(strings.Repeat("a.", 31)+"a", secret), want: "deeper than 30"},
		{name: "a second value", layer: target("a", secret+",b="+secret), want: "more than one value"},
		{name: "a second value behind a list", layer: target("a", "{x},b="+secret), want: "more than one value"},
		{name: "a second value within quotes", layer: target("a", `"x,b=`+secret+`"`), want: "more than one value"},
		{name: "a list without an end", layer: target("a", "{"+secret), want: "does not understand"},
		{name: "a key below text", base: "a: text", layer: target("a.b", secret), want: "no map or list"},
		{name: "an item of a map", base: "a: {b: 1}", layer: target("a[0]", secret), want: "no map or list"},
		{name: "an item of an item that is text", base: "a: [x]", layer: target("a[0][0]", secret), want: "no map or list"},
		{name: "a key below null", base: "a:", layer: literal("a.b", secret), want: "no map or list"},
		{name: "bytes", layer: target("a", secret+"\xff"), want: "no UTF-8"},
		{name: "too much", layer: target("a", secret+strings.Repeat("x", MaxSize)), want: "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Merge(document(tt.base), tt.layer)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range []string{tt.want, tt.layer.Origin} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
			if strings.Contains(err.Error(), secret) || len(err.Error()) > 600 {
				t.Errorf("the error quotes the value: %v", err)
			}
		})
	}
}

func TestDigestOutlivesTheRecord(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"5", "-7", "1000000", "9007199254740993", "9223372036854775807"} {
		merged, err := Merge(target("a[1].b", number))
		if err != nil {
			t.Fatal(err)
		}
		if before, after := Digest(merged), Digest(recorded(t, merged)); before != after {
			t.Errorf("%s: the digest was %s and is %s after it was recorded", number, before, after)
		}
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		layer Layer
		text  string
		want  string
	}{
		{name: "of a document", layer: document("p: {q: hunter2}"), text: "is hunter2", want: "is ***"},
		{name: "of a single value", layer: target("p", "hunter2"), text: "is hunter2", want: "is ***"},
		{
			name: "as it is written and as it is set", layer: target("p", `hun\,ter2`), text: `hun\,ter2 hun,ter2`,
			want: "*** ***",
		},
		{name: "of a number", layer: target("p", "12345678"), text: "port 12345678", want: "port ***"},
		{name: "of a list", layer: target("p", "{hunter2,other-secret}"), text: "hunter2 other-secret", want: "*** ***"},
		{name: "of literal text", layer: literal("p", "{hunter2"), text: "is {hunter2", want: "is ***"},
		{name: "of what cannot be used", layer: target("p.", "hunter2"), text: "is hunter2", want: "is hunter2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := redact.NewMask(tt.layer.Secrets()...).Apply(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzTargetPath(f *testing.F) {
	f.Add("a: {b: 1}", "a.b", "x,y=z", false)
	f.Add("l: [1, [2]]", "l[1][3].c", "{a,b}", false)
	f.Add("", `some\.k8s\.annotation\/env`, `"5"`, true)
	f.Add("a: x", "a[65536]", `\`, false)
	f.Add("x: 1", "y", "9007199254740993", false)
	f.Fuzz(func(t *testing.T, base, path, value string, raw bool) {
		before, err := Merge(document(base))
		if err != nil || path == "" {
			return
		}
		layer := target(path, value)
		layer.Literal = raw
		got, err := Merge(document(base), layer)
		if err != nil {
			return
		}
		if Digest(got) != Digest(recorded(t, got)) {
			t.Errorf("the digest changes when the values are recorded")
		}
		changed := 0
		for key := range got {
			if old, had := before[key]; !had || !reflect.DeepEqual(old, got[key]) {
				changed++
			}
		}
		if changed > 1 || len(got) < len(before) {
			t.Errorf("a path changed %d keys, %d of %d are left", changed, len(got), len(before))
		}
		if raw && !strings.Contains(path, `\`) {
			again, _ := Merge(document(base))
			if err := strvals.ParseLiteralInto(path+"="+value, again); err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("--set-literal makes %v of it (error %v), got %v", again, err, got)
			}
		}
	})
}

func recorded(t *testing.T, values map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
