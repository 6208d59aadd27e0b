package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"fairlead.dev/fairlead/helmops/values"
)

func chartOf(name string, own map[string]any, subcharts ...*chart.Chart) *chart.Chart {
	c := &chart.Chart{Metadata: &chart.Metadata{Name: name, Version: "1.0.0", APIVersion: "v2"}, Values: own}
	c.SetDependencies(subcharts...)
	return c
}

// What a record lacks of a chart cannot be rendered from it.
func TestOnlyWholeChartsAreRenderedFromRecords(t *testing.T) {
	t.Parallel()
	alone := chartOf("shop", nil)
	declares := chartOf("shop", nil)
	declares.Metadata.Dependencies = []*chart.Dependency{{Name: "redis"}}
	hook := []*release.Hook{{Path: "shop/charts/redis/templates/job.yaml"}}
	for name, tt := range map[string]struct {
		rel  release.Release
		with *chart.Chart
		want bool
	}{
		"a chart without subcharts":          {release.Release{Chart: alone, Manifest: "# Source: shop/templates/a.yaml"}, alone, true},
		"another chart":                      {release.Release{Chart: alone}, nil, true},
		"a subchart that is declared":        {release.Release{Chart: declares}, nil, false},
		"an object of a subchart":            {release.Release{Chart: alone, Manifest: "# Source: shop/charts/redis/a.yaml"}, nil, false},
		"a hook of a subchart":               {release.Release{Chart: alone, Hooks: hook}, nil, false},
		"a wanted chart that has a subchart": {release.Release{Chart: alone}, chartOf("shop", nil, chartOf("redis", nil)), false},
		"no chart":                           {release.Release{}, nil, false},
	} {
		if got := isWhole(&tt.rel, tt.with); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
}

// Of subcharts that a record does not have, only the values that were given to them are compared; global values are
// compared once.
func TestDefaultsOfSubchartsAreNoChange(t *testing.T) {
	t.Parallel()
	redis := chartOf("redis", map[string]any{"port": 6379, "size": 1})
	wanted := chartOf("shop", map[string]any{"global": map[string]any{"dns": "b"}}, redis)
	defaults, err := chartGets(wanted, nil)
	if err != nil {
		t.Fatal(err)
	}

	all, err := chartGets(wanted, map[string]any{"redis": map[string]any{"size": 3}})
	if err != nil {
		t.Fatal(err)
	}

	had := chartOf("shop", map[string]any{"global": map[string]any{"dns": "a"}})
	before := map[string]any{"global": map[string]any{"dns": "a"}, "redis": map[string]any{"size": 2}}
	withDefaultsOf(wanted, had, before, defaults)
	var got []string
	for _, d := range withoutCopies(values.Deltas(before, all)) {
		got = append(got, d.Text())
	}
	if diff := cmp.Diff([]string{"global.dns", "redis.size"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
