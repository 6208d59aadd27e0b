package view

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/values"
)

func unmasked(text string) string { return text }

func composedOf(t *testing.T, c *helmchart.Chart, layers []values.Layer) *chart.Composition {
	t.Helper()
	out, err := chart.Compose(c, "", layers)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// itemTexts are values in one line each: what it is, where it is from, what it overrides, since when it is so.
func itemTexts(items []Value) []string {
	texts := []string{}
	for _, v := range items {
		text := fmt.Sprintf("%s=%v %s", v.Path, v.Value, v.From)
		for _, o := range v.Overrides {
			text += fmt.Sprintf(" > %v %s", o.Value, o.From)
		}
		switch {
		case v.Next:
			text += ", next"
		case v.SinceRevision > 0:
			text += fmt.Sprintf(", since %d", v.SinceRevision)
		}
		if v.Unknown {
			text += ", unknown"
		}
		texts = append(texts, text)
	}
	return texts
}

func TestValues(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "ConfigMap web/base, key values.yaml,", Data: []byte(
			"image: {tag: v1}\nhosts: [{name: a}]\nempty: {}\nurl: db:hunter2\n")},
		{Origin: "Secret web/login, key values.yaml,", Secret: true, Data: []byte(
			"password: hunter2\nport: 5432\nimage: {tag: v2}\n")},
		{Origin: "spec.values", Data: []byte(`{"image":{"tag":"v3"},"a.b":null}`)},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	hide := func(text string) string { return strings.ReplaceAll(text, "hunter2", "***") }
	got := NewValues(ValuesInput{Composition: composedOf(t, nil, layers), Merged: merged, Mask: hide})
	wantMerged := map[string]any{
		"image": map[string]any{"tag": "v3"}, "hosts": []any{map[string]any{"name": "a"}}, "empty": map[string]any{},
		"url": "db:***", "password": "***", "port": "***", "a.b": nil,
	}
	if diff := cmp.Diff(any(wantMerged), got.Tree); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	base := "ConfigMap web/base, key values.yaml"
	login := "Secret web/login, key values.yaml"
	wantItems := []string{
		`a\.b=<nil> spec.values`, "empty=map[] " + base, "hosts[0].name=a " + base,
		"image.tag=v3 spec.values > *** " + login + " > v1 " + base, "password=*** " + login, "port=*** " + login,
		"url=db:*** " + base,
	}
	if diff := cmp.Diff(wantItems, itemTexts(got.Items)); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	none := NewValues(ValuesInput{Composition: composedOf(t, nil, nil), Mask: hide})
	if diff := cmp.Diff(any(map[string]any{}), none.Tree); diff != "" || none.Items == nil || len(none.Items) > 0 {
		t.Errorf("without values: %+v", none)
	}
}

// A value from a Secret stays hidden when the same layers hold a list that another one begins.
func TestValuesOfSecretsInLists(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "Secret web/ports, key values.yaml,", Data: []byte("ports: [5432]"), Secret: true},
		{Origin: "ConfigMap web/more, key port,", Data: []byte("80"), TargetPath: "ports[1]"},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	got := NewValues(ValuesInput{Composition: composedOf(t, nil, layers), Merged: merged, Mask: unmasked})
	want := any(map[string]any{"ports": []any{"***", int64(80)}})
	if diff := cmp.Diff(want, got.Tree); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// shopChart has defaults, a subchart with values of the parent for it, and a template.
func shopChart(t *testing.T) *helmchart.Chart {
	t.Helper()
	newChart := func(name, own string) *helmchart.Chart {
		out := &helmchart.Chart{Metadata: &helmchart.Metadata{Name: name, Version: "1.0.0"}, Values: map[string]any{}}
		if err := yaml.Unmarshal([]byte(own), &out.Values); err != nil {
			t.Fatal(err)
		}
		return out
	}
	shop := newChart("shop", "replicaCount: 1\nimage: {tag: v1, name: shop}\nhosts: [a]\n"+
		"global: {dns: x}\nredis: {size: 2}\n")
	shop.AddDependency(newChart("redis", "size: 1\nport: 6379\n"))
	return shop
}

func TestValuesOfAChart(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "Secret web/login,", Secret: true, Data: []byte("password: hunter2\nimage: {tag: hunter2}\n")},
		{Origin: "spec.values", Data: []byte(
			"replicaCount: 1\nreplicaCont: 3\nhosts: [b, c]\nimage: {name: }\nredis: {port: 1}\n")},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	shop := shopChart(t)
	unknown, err := chart.Unknown(shop, merged)
	if err != nil {
		t.Fatal(err)
	}
	revision := func(number int, text string) ValuesRevision {
		out := ValuesRevision{Revision: number}
		if err := yaml.Unmarshal([]byte(text), &out.Values); err != nil {
			t.Fatal(err)
		}
		return out
	}
	in := ValuesInput{
		Composition: composedOf(t, shop, layers), Merged: merged, Mask: unmasked, Unknown: unknown,
		Revisions: []ValuesRevision{
			revision(3, "replicaCount: 1\nhosts: [b, x]\nimage: {tag: hunter2}\nglobal: {dns: x}\n"),
			revision(2, "replicaCount: 1\nhosts: [b]\nimage: {tag: old}\nglobal: {dns: x}\n"),
			revision(1, "replicaCount: 2\nhosts: [b]\nimage: {tag: hunter2}\nglobal: {dns: x}\n"),
		},
	}
	hosts := []string{
		"hosts[0]=b spec.values > a chart shop 1.0.0, since 1", "hosts[1]=c spec.values, next",
	}
	name := "image.name=<nil> spec.values > shop chart shop 1.0.0, since 1"
	tag := "image.tag=*** Secret web/login > v1 chart shop 1.0.0, since 3"
	password := "password=*** Secret web/login, next, unknown"
	cont := "replicaCont=3 spec.values, next, unknown"
	count := "replicaCount=1 spec.values > 1 chart shop 1.0.0, since 2"
	port := "redis.port=1 spec.values > 6379 chart redis 1.0.0, subchart of shop, next"
	size := "redis.size=2 chart shop 1.0.0 for subchart redis > 1 chart redis 1.0.0, subchart of shop, next"
	dns := "global.dns=x chart shop 1.0.0, since 1"
	for what, tt := range map[string]struct {
		change func(*ValuesInput)
		want   []string
	}{
		"of the release": {func(*ValuesInput) {},
			append(append([]string{}, hosts...), name, tag, password, port, cont, count)},
		"all": {func(in *ValuesInput) { in.All = true },
			append(append([]string{dns}, hosts...), name, tag, password, port, size, cont, count)},
		"changed": {func(in *ValuesInput) { in.Changed = true },
			append(append([]string{}, hosts...), name, tag, password, port, cont)},
		"at a key":          {func(in *ValuesInput) { in.Key = []string{"image"} }, []string{name, tag}},
		"at a list item":    {func(in *ValuesInput) { in.Key = []string{"hosts", "1"} }, hosts[1:]},
		"all, at a key":     {func(in *ValuesInput) { in.All, in.Key = true, []string{"redis"} }, []string{port, size}},
		"changed, at a key": {func(in *ValuesInput) { in.Changed, in.Key = true, []string{"replicaCount"} }, []string{}},
		"without revisions": {func(in *ValuesInput) { in.Key, in.Revisions = []string{"hosts", "0"}, nil },
			[]string{"hosts[0]=b spec.values > a chart shop 1.0.0"}},
		"before the first revision": {func(in *ValuesInput) {
			in.Key = []string{"hosts", "0"}
			in.Revisions = []ValuesRevision{}
		},
			[]string{"hosts[0]=b spec.values > a chart shop 1.0.0, next"}},
	} {
		now := in
		tt.change(&now)
		if diff := cmp.Diff(tt.want, itemTexts(NewValues(now).Items)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func TestTreesOfValues(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "spec.values", Data: []byte("replicaCount: 1\nhosts: [b, c]\nimage: {tag: v2, name: }\n")},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		in   ValuesInput
		want string
	}{
		"changed": {ValuesInput{Changed: true}, "{hosts: [b, c], image: {tag: v2, name: null}}"},
		"all": {ValuesInput{All: true}, "{global: {dns: x}, hosts: [b, c], image: {tag: v2, name: null}, " +
			"redis: {size: 2, port: 6379, global: {dns: x}}, replicaCount: 1}"},
		"a map":                    {ValuesInput{Key: []string{"image"}}, "{tag: v2, name: null}"},
		"a text":                   {ValuesInput{Key: []string{"hosts", "1"}}, "c"},
		"a default":                {ValuesInput{Key: []string{"redis", "port"}, All: true}, "6379"},
		"what is not there":        {ValuesInput{Key: []string{"imgae", "tag"}}, "missing, near image.tag"},
		"what only the chart sets": {ValuesInput{Key: []string{"redis", "port"}}, "missing, near "},
	} {
		tt.in.Composition = composedOf(t, shopChart(t), layers)
		tt.in.Merged = merged
		tt.in.Mask = unmasked
		got := NewValues(tt.in)
		if got.Missing {
			if text := "missing, near " + strings.Join(got.Near, ", "); text != tt.want {
				t.Errorf("%s: %s, want %s", what, text, tt.want)
			}
			continue
		}
		var want any
		if err := yaml.Unmarshal([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Tree); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func TestUnknownValuesSuggestWhatIsNear(t *testing.T) {
	t.Parallel()
	layers := []values.Layer{
		{Origin: "Secret web/login,", Secret: true, Data: []byte("hunter: hunter2\n")},
		{Origin: "spec.values", Data: []byte("replicaCont: 3\nimage: {tga: 1}\nredis: {prt: {a: 1}}\n")},
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	shop := shopChart(t)
	unknown, err := chart.Unknown(shop, merged)
	if err != nil {
		t.Fatal(err)
	}
	got := NewValues(ValuesInput{
		Composition: composedOf(t, shop, layers), Merged: merged, Mask: unmasked, Unknown: unknown,
	})
	want := []UnknownValue{
		{"hunter", "Secret web/login", nil}, {"image.tga", "spec.values", []string{"image.tag"}},
		{"redis.prt", "spec.values", []string{"redis.port"}}, {"replicaCont", "spec.values", []string{"replicaCount"}},
	}
	if diff := cmp.Diff(want, got.Unknown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of a subchart that Chart.yaml does not declare, records have no default values: it is not known since when it has
// them, and they are not called new.
func TestDefaultsThatAreNotRecorded(t *testing.T) {
	t.Parallel()
	all := map[string]any{"redis": map[string]any{"port": 6379}}
	path := []string{"redis", "port"}
	for name, tt := range map[string]struct {
		recorded map[string]any
		subchart bool
		since    int
		next     bool
	}{
		"not recorded":           {map[string]any{}, true, 0, false},
		"recorded":               {all, true, 7, false},
		"recorded differently":   {map[string]any{"redis": map[string]any{"port": 1}}, true, 0, true},
		"not a subchart's value": {map[string]any{}, false, 0, true},
	} {
		history := newValuesHistory([]ValuesRevision{{Revision: 7, Values: tt.recorded}})
		if since, next := history.of(all, path, tt.subchart); since != tt.since || next != tt.next {
			t.Errorf("%s: since %d, next %t", name, since, next)
		}
	}
}
