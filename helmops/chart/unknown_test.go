package chart

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/test/servers"
)

func TestUnknown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		// values, schema and templates of the chart.
		values, schema string
		templates      []string
		// subchart has values and a template of a subchart called redis.
		subchart []string
		files    string
		set      string
		want     string
	}{
		"a default": {values: "a: {b: 1}\n", set: "a: {b: 2}\n"},
		"a key beside a default": {values: "replicaCount: 1\nimage: {tag: a}\n", set: "replicaCont: 2\nimage: {tga: b}\n",
			want: "image.tga (tag), replicaCont (image, redis, replicaCount)"},
		"only the topmost key counts": {values: "a: 1\n", set: "b: {c: {d: 1}}\n", want: "b (a, redis)"},
		"a key below a text": {
			values:    "a: 1\n",
			templates: []string{"{{ .Values.a }}"},
			set:       "a: {b: 1}\n",
		},
		"null drops nothing": {values: "a: 1\n", set: "b:\n", want: "b (a, redis)"},
		"a key that a template reads": {
			templates: []string{"{{ .Values.a.b }}"},
			set:       "a: {b: 1, c: 2}\n",
			want:      "a.c (b)",
		},
		"a map that is read as whole": {
			values:    "a: {}\n",
			templates: []string{"{{ toYaml .Values.a }}"},
			set:       "a: {b: {c: 1}}\n",
		},
		"a map in front of what is read": {templates: []string{"{{ $.Values.a.b.c }}"}, set: "a: {b: 1}\n"},
		"range": {
			templates: []string{"{{ range $i, $x := .Values.a }}{{ .b }}{{ end }}"},
			set:       "a: {x: {c: 1}}\n",
		},
		"with": {
			templates: []string{"{{ with .Values.a }}{{ .b }}{{ end }}"},
			set:       "a: {c: 1}\n",
		},
		"if, else and a variable": {
			templates: []string{
				"{{ if .Values.a.x }}{{ else if .Values.b.x }}{{ else }}{{ $z := .Values.c }}{{ $z.x }}{{ end }}",
			},
			set:  "a: {x: 1}\nb: {x: 1}\nc: {k: 1}\nd: 1\n",
			want: "d (a, b, c, redis)",
		},
		"index with keys": {
			templates: []string{`{{ index .Values "a" "b" }}{{ (index .Values.c "d").e }}`},
			set:       "a: {b: {x: 1}, c: 1}\nc: {z: 1}\n",
			want:      "a.c (b), c.z (d)",
		},
		"get and hasKey": {
			templates: []string{`{{ if hasKey .Values "a" }}{{ get .Values "b" }}{{ end }}`},
			set:       "a: 1\nb: 1\nc: 1\n",
			want:      "c (a, b, redis)",
		},
		"index with a variable": {
			templates: []string{`{{ range list "a" }}{{ index $.Values . }}{{ end }}`},
			set:       "b: 1\n",
		},
		"all values as YAML":       {templates: []string{"{{ toYaml .Values | sha256sum }}"}, set: "b: 1\n"},
		"all values in a variable": {templates: []string{"{{ $v := .Values }}{{ $v.a }}"}, set: "b: 1\n"},
		"with all values":          {templates: []string{"{{ with .Values }}{{ .a }}{{ end }}"}, set: "b: 1\n"},
		"a method of the values":   {templates: []string{`{{ .Values.AsMap }}`}, set: "b: 1\n"},
		"the root to a named template": {
			templates: []string{`{{ include "x" . }}{{ template "x" $ }}`, `{{ define "x" }}{{ .Values.a }}{{ end }}`},
			set:       "a: 1\nb: 1\n",
			want:      "b (a, redis)",
		},
		"the root in a map": {
			templates: []string{
				`{{ include "x" (dict "root" $) }}`,
				`{{ define "x" }}{{ .root.Values.a.b }}{{ end }}`,
			},
			set:  "a: {b: 1, c: 1}\n",
			want: "a.c (b)",
		},
		"the root in a variable": {
			templates: []string{"{{ $root := . }}{{ range .Values.a }}{{ $root.Values.b }}{{ end }}"},
			set:       "a: [1]\nb: 1\nc: 1\n",
			want:      "c (a, b, redis)",
		},
		"the root as JSON":        {templates: []string{"{{ toJson . }}"}, set: "b: 1\n"},
		"the root through a pipe": {templates: []string{"{{ . | toYaml }}"}, set: "b: 1\n"},
		"the root in a variable of a block": {
			templates: []string{"{{ with $root := . }}{{ toYaml $root }}{{ end }}"}, set: "b: 1\n",
		},
		"the root printed": {templates: []string{"{{ . }}"}, set: "b: 1\n"},
		"the root in a variable, as YAML": {
			templates: []string{"{{ $root := $ }}{{ toYaml $root }}"},
			set:       "b: 1\n",
		},
		"a dot that is not the root": {
			templates: []string{"{{ with .Values.a }}{{ toYaml . }}{{ end }}"},
			set:       "b: 1\n",
			want:      "b (a, redis)",
		},
		"the root dumped by a named template": {
			templates: []string{`{{ include "x" . }}`, `{{ define "x" }}{{ toYaml . }}{{ end }}`},
			set:       "b: 1\n",
		},
		"a value dumped by a named template": {
			templates: []string{`{{ include "x" .Values.a }}`, `{{ define "x" }}{{ toYaml . }}{{ end }}`},
			set:       "a: {x: 1}\nb: 1\n",
			want:      "b (a, redis)",
		},
		"the values by their name": {templates: []string{`{{ index . "Values" "a" }}`}, set: "b: 1\n"},
		"a map with values of another": {
			templates: []string{
				`{{ include "x" (dict "Values" .Values.a) }}`,
				`{{ define "x" }}{{ .Values.q }}{{ end }}`,
			},
			set:  "a: {q: 1}\nb: 1\n",
			want: "b (a, q, redis)",
		},
		"a map with all values": {
			templates: []string{
				`{{ include "x" (dict "Values" .Values "b" 1) }}`,
				`{{ define "x" }}{{ .Values.q }}{{ end }}`,
			},
			set:  "q: 1\nb: 1\n",
			want: "b (q, redis)",
		},
		"a map with all values by another name": {
			templates: []string{`{{ include "x" (dict "vals" .Values) }}`, `{{ define "x" }}{{ .vals.q }}{{ end }}`},
			set:       "b: 1\n",
		},
		"a chain on parentheses": {
			templates: []string{`{{ ((.Values).a).b }}`},
			set:       "a: {b: 1, c: 1}\n",
			want:      "a.c (b)",
		},
		"a template in a value": {
			values:    "more: []\n",
			templates: []string{"{{ range .Values.more }}{{ tpl . $ }}{{ end }}"},
			set:       "more: ['{{ .Values.mine.x }}']\nmine: {x: 1, z: 1}\n",
			want:      "mine.z (x)",
		},
		"a broken template in a value": {
			values:    "more: []\n",
			templates: []string{"{{ range .Values.more }}{{ tpl . $ }}{{ end }}"},
			set:       "more: ['{{ .Values.mine']\nmine: {x: 1}\n",
		},
		"a template in a value that none renders": {
			values:    "more: ''\n",
			templates: []string{"{{ .Values.more }}"},
			set:       "more: '{{ .Values.mine }}'\nmine: 1\n",
			want:      "mine (more, redis)",
		},
		"a template in a file": {
			templates: []string{`{{ tpl (.Files.Get "x.tpl") . }}`},
			files:     "{{ .Values.filed }}",
			set:       "filed: 1\nb: 1\n",
			want:      "b (filed, redis)",
		},
		"a template in a text": {
			templates: []string{`{{ tpl "{{ .Values.a }}" . }}`},
			set:       "a: 1\nb: 1\n",
			want:      "b (a, redis)",
		},
		"a template that is broken":  {templates: []string{"{{ if }"}, set: "b: 1\n"},
		"parentheses without an end": {templates: []string{"{{ " + strings.Repeat("(", 100_000)}, set: "b: 1\n"},
		"a value of a subchart": {
			subchart: []string{"port: 1\n", "{{ .Values.size }}"},
			set:      "redis: {port: 2, size: 1, sze: 1}\n",
			want:     "redis.sze (port, size)",
		},
		"a subchart reads nothing of its parent": {
			subchart: []string{"", "{{ .Values.size }}"},
			set:      "size: 1\n",
			want:     "size (redis)",
		},
		"a named template of a subchart": {
			subchart:  []string{"", `{{ define "lib" }}{{ .Values.size }}{{ end }}`},
			templates: []string{`{{ include "lib" . }}`},
			set:       "size: 1\nsze: 1\n",
			want:      "sze (redis, size)",
		},
		"the parent reads what is a subchart's": {
			templates: []string{"{{ .Values.redis.enabled }}"},
			set:       "redis: {enabled: true, on1: 1}\n",
			want:      "redis.on1 (enabled)",
		},
		"subcharts of the root": {
			templates: []string{"{{ .Subcharts.redis.Values.deep }}"},
			set:       "redis: {deep: 1}\n",
		},
		"globals": {
			subchart:  []string{"global: {a: 1}\n", "{{ .Values.global.b }}"},
			templates: []string{"{{ .Values.global.c }}"},
			set:       "global: {a: 1, b: 1, c: 1, d: 1}\nredis: {global: {c: 1, e: 1}}\n",
			want:      "global.d (a, b, c), redis.global.e (a, b)",
		},
		"a schema": {
			schema: `{"properties": {"a": {"properties": {"b": {}}}, ` +
				`"free": {"additionalProperties": {"type": "string"}}, "open": {"additionalProperties": true}}}`,
			set: "a: {b: 1, c: 1}\nfree: {x: a}\nopen: {x: 1}\n", want: "a.c (b), open.x ()"},
		"a schema with references": {
			schema: `{"$ref": "#/$defs/all", "$defs": {"all": {"properties": {"a": {"$ref": "#/$defs/loop"}}}, ` +
				`"loop": {"properties": {"next": {"$ref": "#/$defs/loop"}}}}}`,
			set: "a: {next: {next: {prev: 1}}}\n", want: "a.next.next.prev (next)"},
		"a schema that refers to another document": {
			schema: `{"properties": {"a": {"$ref": "https://example.com/a.json"}}}`,
			set:    "a: {b: 1}\nc: 1\n",
			want:   "c (a, redis)",
		},
		"a schema that refers to itself": {schema: `{"$ref": "#"}`, set: "a: 1\n"},
		"patterns and parts of a schema": {
			schema: `{"patternProperties": {"^x-": {}}, "allOf": [{"properties": {"a": {}}}], ` +
				`"if": {"properties": {"b": {}}}}`,
			set: "x-1: 1\na: 1\nb: 1\nc: 1\n", want: "c (a, b, redis)"},
		"a schema that is broken": {schema: "{", set: "a: 1\n", want: "a (redis)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sub := chartOf(t, "redis", "", "")
			if len(tt.subchart) > 0 {
				sub = chartOf(t, "redis", tt.subchart[0], "")
				sub.Templates = []*chart.File{{Name: "templates/a.yaml", Data: []byte(tt.subchart[1])}}
			}
			c := chartOf(t, "shop", tt.values, declared, sub)
			c.Schema = []byte(tt.schema)
			c.Files = []*chart.File{{Name: "x.tpl", Data: []byte(tt.files)}}
			for _, text := range tt.templates {
				c.Templates = append(c.Templates, &chart.File{Name: "templates/a.yaml", Data: []byte(text)})
			}
			if got := unknownText(t, c, tt.set); got != tt.want {
				t.Errorf("unknown are %q, want %q", got, tt.want)
			}
		})
	}
}

// unknownText are the unknown keys with the keys that are known in their place.
func unknownText(t *testing.T, c *chart.Chart, set string) string {
	t.Helper()
	values := map[string]any{}
	if err := yaml.Unmarshal([]byte(set), &values); err != nil {
		t.Fatal(err)
	}
	unknown, err := Unknown(c, values)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, u := range unknown {
		texts = append(texts, strings.Join(u.Path, ".")+" ("+strings.Join(u.Siblings, ", ")+")")
	}
	return strings.Join(texts, ", ")
}

// Chart.yaml itself names values: those of conditions, of tags and of import-values.
func TestUnknownKnowsDependencies(t *testing.T) {
	t.Parallel()
	sub := func() *chart.Chart { return chartOf(t, "redis", "exports: {data: {dir: a}}\n", "") }
	for name, tt := range map[string]struct{ dependencies, set, want string }{
		"a condition": {"[{name: redis, version: 1.x, condition: 'redis.enabled,cache.on1'}]",
			"redis: {enabled: true, on2: 1}\ncache: {on1: true}\n", "redis.on2 (enabled, exports)"},
		"tags": {
			"[{name: redis, version: 1.x, tags: [cache]}]", "tags: {cache: true, other: true}\n", "tags.other ()",
		},
		"an alias": {"[{name: redis, version: 1.x, alias: cache}]", "cache: {exports: {data: {dir: b, drr: c}}}\n",
			"cache.exports.data.drr (dir)"},
		"imported values": {"[{name: redis, version: 1.x, import-values: [data, {child: a.b, parent: c}]}]",
			"dir: b\nc: {d: 1}\nredis: {a: {b: 1}}\ndrr: 1\n", "drr (c, dir, redis)"},
		"values imported to the top": {
			"[{name: redis, version: 1.x, import-values: [{child: a, parent: .}]}]", "x: 1\n", "",
		},
	} {
		if got := unknownText(t, chartOf(t, "shop", "", tt.dependencies, sub()), tt.set); got != tt.want {
			t.Errorf("%s: unknown are %q, want %q", name, got, tt.want)
		}
	}
}

// Too much to read is no reason to call a value unknown.
func TestUnknownIsBounded(t *testing.T) {
	t.Parallel()
	c := chartOf(t, "shop", "", "")
	for range 11 {
		c.Templates = append(c.Templates, &chart.File{Name: "a", Data: bytes.Repeat([]byte("x"), maxTemplate)})
	}
	if got := unknownText(t, c, "a: 1\n"); got != "" {
		t.Errorf("with too many templates, unknown are %q", got)
	}
	c.Templates = []*chart.File{{Name: "a", Data: bytes.Repeat([]byte("x"), maxTemplate+1)}}
	if got := unknownText(t, c, "a: 1\n"); got != "" {
		t.Errorf("with a template that is too large, unknown are %q", got)
	}
	c.Templates = []*chart.File{{Name: "a", Data: bytes.Repeat([]byte("{{if 1}}"), maxTemplate/8)}}
	if got := unknownText(t, c, "a: 1\n"); got != "" {
		t.Errorf("with blocks too deep, unknown are %q", got)
	}
}

// A schema whose parts refer to each other without an end is given up, and then knows everything.
func TestUnknownGivesUpASchema(t *testing.T) {
	t.Parallel()
	part := `{"$ref": "#/$defs/a"}`
	parts := strings.Repeat(part+",", 50) + part
	c := chartOf(t, "shop", "", "")
	c.Schema = []byte(`{"allOf": [` + parts + `], "$defs": {"a": {"properties": {"b": {"allOf": [` + parts + `]}}}}}`)
	if got := unknownText(t, c, "b: {b: {b: {c: 1}}}\n"); got != "" {
		t.Errorf("unknown are %q", got)
	}
	looks := newSchema([]byte(`{"properties": {"a": {}}}`))
	for range maxSchemaLooks {
		looks.knows([]string{"b"})
	}
	if !looks.knows([]string{"b"}) || looks.left > 0 {
		t.Errorf("after as many looks as are allowed, %d steps are left", looks.left)
	}
}

// Charts that others have published know all of their own values, and do not know what was mistyped.
func TestUnknownOfPublishedCharts(t *testing.T) {
	t.Parallel()
	archives := servers.PublishedCharts(t)
	tested := 0
	for _, archive := range archives {
		c, err := loader.Load(archive)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range slices.Concat(c.Raw, c.Files) {
			extension := filepath.Ext(file.Name)
			if !strings.Contains(filepath.Base(file.Name), "values") || extension != ".yaml" && extension != ".yml" {
				continue
			}
			tested++
			if got := unknownText(t, c, string(file.Data)); got != "" {
				t.Errorf("%s: of %s, unknown are %s", filepath.Base(archive), file.Name, got)
			}
		}
		unknown, err := Unknown(c, map[string]any{"replicaCont": 2})
		_, has := c.Values["replicaCount"]
		if err != nil || len(unknown) != 1 || has && !slices.Contains(unknown[0].Siblings, "replicaCount") {
			t.Errorf("%s: of what is mistyped, unknown are %v, error %v", filepath.Base(archive), unknown, err)
		}
	}
	if tested < len(archives) {
		t.Errorf("%d files with values were tested of %d charts", tested, len(archives))
	}
}
