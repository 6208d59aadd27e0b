package diff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web}
spec:
  replicas: 2
  template: {spec: {containers: [{name: web, image: "shop:1"}, {name: log, image: "log:1"}]}}
`

func TestCompare(t *testing.T) {
	t.Parallel()
	replace := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	changed := func(fields ...Field) []Change {
		return []Change{{Kind: "Deployment", Group: "apps", Name: "shop", Change: Changed, Fields: fields}}
	}
	secret := "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2, same: same}\n"
	config := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a.b: x}\n"
	image := `.spec.template.spec.containers[name="web"].image`
	tests := []struct {
		name, before, after string
		mask                func(string) string
		want                []Change
	}{
		{"nothing", "", "", nil, []Change{}},
		{
			"the same, in another order of documents", deployment + "---\n" + config,
			"# Source: x\n" + config + "---\n" + deployment, nil, []Change{},
		},
		{
			"the namespace of the release is left out", deployment, replace(deployment, ", namespace: web", ""), nil, []Change{},
		},
		{"created and deleted", config, secret, nil, []Change{
			{Kind: "ConfigMap", Name: "c", Change: Deleted}, {Kind: "Secret", Name: "s", Change: Created}}},
		{"another namespace is another object", deployment, replace(deployment, "namespace: web", "namespace: api"), nil,
			[]Change{
				{Kind: "Deployment", Group: "apps", Name: "shop", Change: Deleted},
				{Kind: "Deployment", Group: "apps", Namespace: "api", Name: "shop", Change: Created}}},
		{"a value", deployment, replace(deployment, "replicas: 2", "replicas: 3"), nil,
			changed(Field{".spec.replicas", Changed, "2", "3"})},
		{
			"an item that is found by its name", deployment, replace(deployment, "shop:1", "shop:2"), nil,
			changed(Field{image, Changed, "shop:1", "shop:2"}),
		},
		{"an item is gone", deployment, replace(deployment, `, {name: log, image: "log:1"}`, ""), nil,
			changed(Field{`.spec.template.spec.containers[name="log"]`, Removed, `{"image":"log:1","name":"log"}`, ""})},
		{"a field comes", deployment, replace(deployment, "replicas: 2", "replicas: 2\n  paused: true"), nil,
			changed(Field{".spec.paused", Added, "", "true"})},
		{"the order of items", deployment, replace(deployment, `{name: web, image: "shop:1"}, {name: log, image: "log:1"}`,
			`{name: log, image: "log:1"}, {name: web, image: "shop:1"}`), nil,
			changed(Field{".spec.template.spec.containers", Changed,
				`[{"image":"shop:1","name":"web"},{"image":"log:1","name":"log"}]`,
				`[{"image":"log:1","name":"log"},{"image":"shop:1","name":"web"}]`})},
		{"a key with a dot", config, replace(config, "x}", "z}"), nil,
			[]Change{{Kind: "ConfigMap", Name: "c", Change: Changed, Fields: []Field{{`.data["a.b"]`, Changed, "x", "z"}}}}},
		{"a Secret is masked", secret, replace(secret, "hunter2", "hunter3"), nil,
			[]Change{
				{Kind: "Secret", Name: "s", Change: Changed, Fields: []Field{{".stringData.password", Changed, "***", "***"}}},
			}},
		{"other secrets are masked", deployment, replace(deployment, "shop:1", "shop:hunter2"),
			func(s string) string {
				return strings.ReplaceAll(s, "hunter2", "***")
			}, changed(Field{image, Changed, "shop:1", "shop:***"})},
		{"lists are taken apart",
			"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a.b: x}}\n",
			config, nil, []Change{}},
		{
			"the version of an API", deployment, replace(deployment, "apps/v1", "apps/v2"), nil,
			changed(Field{".apiVersion", Changed, "apps/v1", "apps/v2"}),
		},
	}
	for _, tt := range tests {
		got, err := Compare(tt.before, tt.after, "web", tt.mask)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestCompareBoundsWhatItShows(t *testing.T) {
	t.Parallel()
	var before, after strings.Builder
	for _, b := range []*strings.Builder{&before, &after} {
		b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n")
	}
	for i := range maxFields + 5 {
		name := strings.Repeat("k", i+1)
		before.WriteString("  " + name + ": a\n")
		after.WriteString("  " + name + ": \"" + strings.Repeat("é", maxValue+1) + "\\e[31m\"\n")
	}
	got, err := Compare(before.String(), after.String(), "web", nil)
	if err != nil || len(got) != 1 || len(got[0].Fields) != maxFields || got[0].More != 5 {
		t.Fatalf("%v, %d changes", err, len(got))
	}
	if text := []rune(got[0].Fields[0].Becomes); len(text) != maxValue+1 {
		t.Errorf("a value of %d characters", len(text))
	}
}

func TestCompareShowsNothingOfWhatItCannotRead(t *testing.T) {
	t.Parallel()
	_, err := Compare("a: [hunter2", "", "web", nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
