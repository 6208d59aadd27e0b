package promotion

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// which sums up who gets a pipeline.
func which(m Membership) map[string]string {
	out := map[string]string{}
	for _, w := range m.Wanted {
		out[w.Chart] = w.Name
	}
	for _, r := range m.Refused {
		out[r.Chart] = "refused: " + r.Reason
	}
	for _, k := range m.Kept {
		out[k.Chart] = "kept"
	}
	for _, u := range m.Unused {
		out[u.Chart] = "unused"
	}
	return out
}

func TestAssign(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	for _, tt := range []struct {
		name   string
		change func(*Charts)
		want   map[string]string
	}{
		{"names and matches, each once", func(c *Charts) {
			c.Names, c.Matched = []string{"web", "cart"}, []string{"cart", "My_Chart.v2"}
		}, map[string]string{"web": "shop-web", "cart": "shop-cart", "My_Chart.v2": "shop-my-chart-v2"}},
		{"two charts with one name", func(c *Charts) {
			c.Names = []string{"my_chart", "my-chart"}
		}, map[string]string{
			"my_chart": "refused: the chart my-chart would have the same pipeline, shop-my-chart; ask for one of them",
			"my-chart": "refused: the chart my_chart would have the same pipeline, shop-my-chart; ask for one of them",
		}},
		{"the one of them that has a pipeline keeps it", func(c *Charts) {
			c.Names = []string{"my_chart", "my-chart"}
			c.Members = []Member{{Name: "shop-my-chart", Chart: "my_chart"}}
		}, map[string]string{
			"my_chart": "shop-my-chart",
			"my-chart": "refused: ReleasePipeline shop-my-chart is of the chart my_chart; it has to go first",
		}},
		{"another chart does not take over a pipeline", func(c *Charts) {
			c.Names, c.Members = []string{"my-chart"}, []Member{{Name: "shop-my-chart", Chart: "my_chart"}}
		}, map[string]string{
			"my_chart": "unused",
			"my-chart": "refused: ReleasePipeline shop-my-chart is of the chart my_chart; it has to go first",
		}},
		{"sources with one name", func(c *Charts) {
			c.Stages, c.Names = []string{"c", "b-c"}, []string{"a", "a-b"}
		}, map[string]string{
			"a":   "shop-a",
			"a-b": "refused: its source shop-a-b-c would be that of the chart a, too; rename a stage",
		}},
		{"the chart that has sources keeps them", func(c *Charts) {
			c.Stages, c.Names = []string{"c", "b-c"}, []string{"a", "a-b"}
			c.Members = []Member{{Name: "shop-a-b", Chart: "a-b"}}
		}, map[string]string{
			"a":   "refused: its source shop-a-b-c would be that of the chart a-b, too; rename a stage",
			"a-b": "shop-a-b",
		}},
		{"a name that is taken", func(c *Charts) {
			c.Names, c.Taken = []string{"web"}, map[string]bool{"shop-web": true}
		}, map[string]string{
			"web": "refused: ReleasePipeline shop-web exists and is not of this pipeline; rename one of them",
		}},
		{"a name that is too long", func(c *Charts) {
			c.Pipeline, c.Names = strings.Repeat("p", 72), []string{long, long[:127]}
		}, map[string]string{
			long: "refused: its pipeline would have the name " + strings.Repeat("p", 72) + "-" + long +
				", which is longer than 200 characters; give the pipeline a shorter name",
			long[:127]: strings.Repeat("p", 72) + "-" + long[:127],
		}},
		{"no letters", func(c *Charts) { c.Matched = []string{"__"} }, map[string]string{
			"__": "refused: its name has no letter and no digit of a DNS label",
		}},
		{"what is no longer asked for", func(c *Charts) {
			c.Names = []string{"web"}
			c.Members = []Member{{Name: "shop-cart", Chart: "cart", Used: true}, {Name: "shop-pay", Chart: "pay"}}
		}, map[string]string{"web": "shop-web", "cart": "kept", "pay": "unused"}},
		{"an index that says nothing takes nothing away", func(c *Charts) {
			c.Names, c.Partial = []string{"web"}, true
			c.Members = []Member{{Name: "shop-pay", Chart: "pay"}}
		}, map[string]string{"web": "shop-web", "pay": "shop-pay"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Charts{Pipeline: "shop", Stages: []string{"dev", "prod"}}
			tt.change(&c)
			if diff := cmp.Diff(tt.want, which(c.Assign())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// More charts than the bound change nothing.
func TestTooManyCharts(t *testing.T) {
	t.Parallel()
	c := Charts{Pipeline: "shop", Stages: []string{"dev"}, Members: []Member{{Name: "shop-old", Chart: "old"}}}
	for i := range MaxCharts {
		c.Names = append(c.Names, fmt.Sprintf("chart%d", i))
	}
	if m := c.Assign(); m.Excess != "" || len(m.Wanted) != MaxCharts || len(m.Unused) != 1 {
		t.Errorf("%d charts are too many: %+v", MaxCharts, m)
	}
	c.Matched = []string{"one-more"}
	if m := c.Assign(); m.Excess == "" || !cmp.Equal(m.Wanted, c.Members) || len(m.Unused)+len(m.Kept) > 0 {
		t.Errorf("with one more it is %+v", m)
	}
}
