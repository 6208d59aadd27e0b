package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/helmops/values"
)

// chartOf makes a chart from its values and its dependencies, as YAML, and the subcharts.
func chartOf(t *testing.T, name, own, dependencies string, subcharts ...*chart.Chart) *chart.Chart {
	t.Helper()
	metadata := &chart.Metadata{Name: name, Version: "1.0.0", APIVersion: "v2"}
	out := &chart.Chart{Metadata: metadata, Values: map[string]any{}}
	if err := yaml.Unmarshal([]byte(own), &out.Values); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(dependencies), &out.Metadata.Dependencies); err != nil {
		t.Fatal(err)
	}
	out.AddDependency(subcharts...)
	return out
}

func inline(text string) values.Layer { return values.Layer{Origin: "spec.values", Data: []byte(text)} }

func configMap(text string) values.Layer {
	return values.Layer{Origin: "ConfigMap web/base, key values.yaml,", Data: []byte(text)}
}

const declared = "[{name: redis, version: 1.x}]"

// composed are charts with the values of a release, each one for a rule of Helm.
var composed = map[string]struct {
	chart  func(t *testing.T) *chart.Chart
	layers []values.Layer
	// want are sources of some paths, the strongest first.
	want map[string]string
}{
	"a release without values": {
		chart: func(t *testing.T) *chart.Chart { return chartOf(t, "shop", "a: 1\nb: {c: [1, 2]}\n", "") },
		want:  map[string]string{"a": "chart shop 1.0.0=1", "b.c": "chart shop 1.0.0=[1 2]", "b.c.1": "chart shop 1.0.0=2"},
	},
	"layers over each other": {
		chart: func(t *testing.T) *chart.Chart { return chartOf(t, "shop", "image: {tag: v1, name: shop}\n", "") },
		layers: []values.Layer{
			configMap("image: {tag: v2}\n"), inline("image: {tag: v3}\nown: true\n"),
			{Origin: "Secret web/tag, key tag,", Data: []byte("v4"), TargetPath: "image.tag", Secret: true},
		},
		want: map[string]string{
			"image.tag": "Secret web/tag, key tag, targetPath image.tag=v4 (secret) < spec.values=v3 < " +
				"ConfigMap web/base, key values.yaml=v2 < chart shop 1.0.0=v1",
			"image.name": "chart shop 1.0.0=shop", "own": "spec.values=true", "absent": "",
		},
	},
	"a null drops a default": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "a: 1\nb: {c: 1, d: 2}\nnone:\nm: {nil: }\n", "")
		},
		layers: []values.Layer{inline("a:\nb: {c: }\nunknown:\nm: {other: }\n")},
		want: map[string]string{
			"a": "spec.values=<nil> < chart shop 1.0.0=1", "b.c": "spec.values=<nil> < chart shop 1.0.0=1",
			"b.d": "chart shop 1.0.0=2", "unknown": "spec.values=<nil>", "none": "chart shop 1.0.0=<nil>",
		},
	},
	"lists are replaced as a whole": {
		chart:  func(t *testing.T) *chart.Chart { return chartOf(t, "shop", "hosts: [{name: a}, {name: b}]\n", "") },
		layers: []values.Layer{inline("hosts: [{name: x}]\n")},
		want: map[string]string{
			"hosts.0.name": "spec.values=x < chart shop 1.0.0=a", "hosts.1.name": "chart shop 1.0.0=b",
		},
	},
	"maps and texts in each other's place": {
		chart:  func(t *testing.T) *chart.Chart { return chartOf(t, "shop", "a: {b: 1}\nc: 1\ne: {f: 1}\n", "") },
		layers: []values.Layer{inline("a: text\nc: {d: 1}\ne: {}\n")},
		want: map[string]string{
			"a": "spec.values=text < chart shop 1.0.0=map[b:1]", "c.d": "spec.values=1", "e.f": "chart shop 1.0.0=1",
		},
	},
	"a chart sets values of its subchart": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "redis: {size: 2, gone: }\nx: 1\n", declared,
				chartOf(t, "redis", "size: 1\nport: 6379\ngone: 1\n", ""))
		},
		layers: []values.Layer{inline("redis: {size: 3}\n")},
		want: map[string]string{
			"redis.size": "spec.values=3 < chart shop 1.0.0 for subchart redis=2 < chart redis 1.0.0, subchart of shop=1",
			"redis.port": "chart redis 1.0.0, subchart of shop=6379",
		},
	},
	"a subchart that is not declared": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "redis: {size: 2}\n", "", chartOf(t, "redis", "size: 1\nport: 6379\n", ""))
		},
		want: map[string]string{
			"redis.size": "chart shop 1.0.0 for subchart redis=2 < chart redis 1.0.0, subchart of shop=1",
			"redis.port": "chart redis 1.0.0, subchart of shop=6379",
		},
	},
	"subcharts of subcharts and an alias": {
		chart: func(t *testing.T) *chart.Chart {
			metrics := chartOf(t, "metrics", "port: 1\ndeep: {a: 1}\n", "")
			redis := chartOf(t, "redis", "metrics: {port: 2}\nsize: 1\n", "[{name: metrics, version: 1.0.0}]", metrics)
			return chartOf(t, "shop", "cache: {metrics: {port: 3}}\n", "[{name: redis, version: 1.x, alias: cache}]", redis)
		},
		layers: []values.Layer{inline("cache: {metrics: {port: 4}}\n")},
		want: map[string]string{
			"cache.metrics.port": "spec.values=4 < chart shop 1.0.0 for subchart cache=3 < " +
				"chart redis 1.0.0, subchart of shop for subchart metrics=2 < chart metrics 1.0.0, subchart of redis=1",
			"cache.metrics.deep.a": "chart metrics 1.0.0, subchart of redis=1",
			"cache.size":           "chart redis 1.0.0, subchart of shop=1",
		},
	},
	"one subchart twice": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "b: {size: 2}\n",
				"[{name: redis, version: 1.x, alias: a}, {name: redis, version: 1.x, alias: b}]",
				chartOf(t, "redis", "size: 1\n", ""))
		},
		want: map[string]string{
			"a.size": "chart redis 1.0.0, subchart of shop=1",
			"b.size": "chart shop 1.0.0 for subchart b=2 < chart redis 1.0.0, subchart of shop=1",
		},
	},
	"globals reach the subcharts": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "global: {registry: a, map: {x: 1}}\n", declared,
				chartOf(t, "redis", "global: {registry: b, own: 1, map: {z: 2}}\n", ""))
		},
		layers: []values.Layer{inline("global: {registry: c}\n")},
		want: map[string]string{
			"global.registry":       "spec.values=c < chart shop 1.0.0=a",
			"redis.global.registry": "spec.values=c < chart shop 1.0.0=a < chart redis 1.0.0, subchart of shop=b",
			"redis.global.own":      "chart redis 1.0.0, subchart of shop=1",
			"redis.global.map.x":    "chart shop 1.0.0=1",
			"redis.global.map.z":    "chart redis 1.0.0, subchart of shop=2",
		},
	},
	"a condition disables a subchart": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "redis: {enabled: true}\n", "[{name: redis, version: 1.x, condition: redis.enabled}]",
				chartOf(t, "redis", "size: 1\n", ""))
		},
		layers: []values.Layer{inline("redis: {enabled: false}\n")},
		want: map[string]string{
			"redis.size": "", "redis.enabled": "spec.values=false < chart shop 1.0.0 for subchart redis=true",
		},
	},
	"a condition enables a subchart": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "redis: {enabled: false}\n", "[{name: redis, version: 1.x, condition: redis.enabled}]",
				chartOf(t, "redis", "size: 1\n", ""))
		},
		layers: []values.Layer{inline("redis: {enabled: true}\n")},
		want:   map[string]string{"redis.size": "chart redis 1.0.0, subchart of shop=1"},
	},
	"tags disable a subchart": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "tags: {cache: false, db: true}\n",
				"[{name: redis, version: 1.x, tags: [cache]}, {name: postgres, version: 1.x, tags: [db]}]",
				chartOf(t, "redis", "size: 1\n", ""), chartOf(t, "postgres", "size: 2\n", ""))
		},
		want: map[string]string{"redis.size": "", "postgres.size": "chart postgres 1.0.0, subchart of shop=2"},
	},
	"values that a chart imports": {
		chart: func(t *testing.T) *chart.Chart {
			return chartOf(t, "shop", "service: {port: 1}\n",
				"[{name: redis, version: 1.x, import-values: [data, {child: net, parent: service}]}]",
				chartOf(t, "redis", "exports: {data: {dir: /data}}\nnet: {port: 2, name: r}\n", ""))
		},
		layers: []values.Layer{inline("dir: /mine\n")},
		want: map[string]string{
			"dir":          "spec.values=/mine < chart redis 1.0.0, subchart of shop=/data",
			"service.port": "chart shop 1.0.0=1 < chart redis 1.0.0, subchart of shop=2",
			"service.name": "chart redis 1.0.0, subchart of shop=r",
		},
	},
}

// What is composed is what Helm makes of the same chart and values, and each value comes from where it was written.
func TestComposeIsWhatHelmMakes(t *testing.T) {
	t.Parallel()
	for name, tt := range composed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Compose(tt.chart(t), "", tt.layers)
			if err != nil {
				t.Fatal(err)
			}
			merged, err := values.Merge(tt.layers...)
			if err != nil {
				t.Fatal(err)
			}
			plain := tt.chart(t)
			if err := chartutil.ProcessDependenciesWithMerge(plain, merged); err != nil {
				t.Fatal(err)
			}
			want, err := chartutil.CoalesceValues(plain, merged)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.AsMap(), got.Values()); diff != "" {
				t.Errorf("values (-Helm +composed):\n%s", diff)
			}
			for path, sources := range tt.want {
				if text := sourcesText(got.Of(strings.Split(path, "."))); text != sources {
					t.Errorf("%s is from %s\nwant %s", path, text, sources)
				}
			}
		})
	}
}

func sourcesText(sources []Source) string {
	texts := make([]string, 0, len(sources))
	for _, s := range sources {
		text := fmt.Sprintf("%s=%v", s.From, s.Value)
		if s.Secret {
			text += " (secret)"
		}
		if s.Release == strings.HasPrefix(s.From, "chart ") {
			text += " (of the wrong side)"
		}
		if s.Subchart != strings.Contains(s.From, ", subchart of ") {
			text += " (of the wrong chart)"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " < ")
}

func TestComposeLeavesTheChartAlone(t *testing.T) {
	t.Parallel()
	for name, tt := range composed {
		c := tt.chart(t)
		if _, err := Compose(c, "", tt.layers); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dumped(tt.chart(t)), dumped(c)); diff != "" {
			t.Errorf("%s: the chart was changed:\n%s", name, diff)
		}
	}
}

func dumped(c *chart.Chart) []any {
	out := []any{*c.Metadata, c.Values}
	for _, sub := range c.Dependencies() {
		out = append(out, dumped(sub)...)
	}
	return out
}

// What holds a value of a Secret is secret as a whole, also where another layer hides it.
func TestComposeKnowsWhatIsSecret(t *testing.T) {
	t.Parallel()
	got, err := Compose(nil, "", []values.Layer{
		configMap("users: [{name: a}]\nlogin: {user: b}\n"),
		{Origin: "Secret web/a,", Data: []byte("hunter2"), TargetPath: "users[0].password", Secret: true},
		{Origin: "Secret web/b,", Data: []byte("login: {password: hunter2}\n"), Secret: true},
		inline("login: none\n"),
		{Origin: "Secret web/c,", Data: []byte("c"), TargetPath: "users[1].name", Secret: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]bool{
		"users": {true, true, false}, "users.0": {true, false}, "users.0.name": {false}, "users.0.password": {true},
		"login": {false, true, false}, "users.1.name": {true},
	} {
		var secret []bool
		for _, s := range got.Of(strings.Split(path, ".")) {
			secret = append(secret, s.Secret)
		}
		if !slices.Equal(secret, want) {
			t.Errorf("%s: secret %t, want %t", path, secret, want)
		}
	}
}

func TestGlobalsOfSubchartsAreCopies(t *testing.T) {
	t.Parallel()
	c := chartOf(t, "shop", "global: {a: 1}\nredis: {global: {c: 1}}\nx: {global: {a: 1}}\n", declared,
		chartOf(t, "redis", "global: {b: 1}\n", ""))
	got, err := Compose(c, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"global.a": false, "redis.global.a": true, "redis.global.b": false, "redis.global.c": false, "x.global.a": false,
		"redis": false, "absent.global.a": false,
	} {
		if got.IsCopy(strings.Split(path, ".")) != want {
			t.Errorf("%s is a copy: %t, want %t", path, !want, want)
		}
	}
}

func TestOwnIsWhatTheChartAloneHas(t *testing.T) {
	t.Parallel()
	c := chartOf(t, "shop", "redis: {size: 2}\na: 1\n", declared, chartOf(t, "redis", "port: 6379\n", ""))
	got, err := Compose(c, "values-prod.yaml", []values.Layer{inline("a: 2\nb: 3\nredis: {size: 3, port: 1}\n")})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{"a": 1.0, "b": nil, "redis.size": 2.0, "redis.port": 6379.0} {
		if own, found := got.Own(strings.Split(path, ".")); own != want || found != (want != nil) {
			t.Errorf("the chart has %v at %s, found %t", own, path, found)
		}
	}
	if sources := got.Of([]string{"a"}); len(sources) != 2 || sources[1].From != "values-prod.yaml" {
		t.Errorf("the chart's own values are among %v", sources)
	}
}

func TestComposeFailsAsHelmDoes(t *testing.T) {
	t.Parallel()
	c := chartOf(t, "shop", "", declared, chartOf(t, "redis", "", ""))
	if _, err := Compose(c, "", []values.Layer{inline("redis: text\n")}); err == nil ||
		!strings.Contains(err.Error(), "type mismatch on redis") {
		t.Errorf("error %v", err)
	}
}
