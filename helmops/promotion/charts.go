package promotion

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxCharts is how many charts one pipeline promotes at most.
	MaxCharts = 100
	// maxPipelineName is how long the name of a pipeline may be, so that the names of what it makes fit.
	maxPipelineName = 200
)

// Charts is what a pipeline of several charts asks for, and what there is.
type Charts struct {
	// Pipeline is its name, and Stages are the names of its stages.
	Pipeline string
	Stages   []string
	// Names are the charts that the spec names, and Matched those of the index that it includes.
	Names, Matched []string
	// Partial is set when Matched is not known, or empty: no member goes because it is not in it.
	Partial bool
	// Members are the pipelines of charts that there are.
	Members []Member
	// Taken are the names of pipelines that are not members.
	Taken map[string]bool
}

// Member is the pipeline of one chart.
type Member struct {
	// Name of the pipeline.
	Name  string
	Chart string
	// Used is set while HelmReleases refer to its sources.
	Used bool
}

// RefusedChart is a chart that gets no pipeline.
type RefusedChart struct {
	Chart, Reason string
	// Taken is set when an object of another owner has the name.
	Taken bool
}

// Membership is which charts have a pipeline.
type Membership struct {
	// Wanted are to be made, or kept as the spec says, sorted by chart.
	Wanted  []Member
	Refused []RefusedChart
	// Kept are no longer asked for, and stay because HelmReleases use them. Unused are to be deleted.
	Kept, Unused []Member
	// Excess says that there are too many charts; empty when there are not. Nothing is made or deleted then.
	Excess string
}

// MemberName is the name of the pipeline of a chart: that of its parent, and the chart as a DNS label.
func MemberName(pipeline, chart string) string {
	return pipeline + "-" + dnsLabel(chart)
}

// dnsLabel writes a name in lower case, with a hyphen for each character that a DNS label does not have.
func dnsLabel(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name)), "-")
}

// Assign decides which charts have a pipeline. A chart whose names collide with those of another one gets none, unless
// it has one already.
func (c Charts) Assign() Membership {
	charts := slices.Concat(c.Names, c.Matched)
	slices.Sort(charts)
	charts = slices.Compact(charts)
	if len(charts) > MaxCharts {
		return Membership{Wanted: c.existing(), Excess: fmt.Sprintf(
			"more than %d charts are asked for; nothing changes until they are fewer", MaxCharts)}
	}

	var m Membership
	for _, chart := range charts {
		why, taken := c.refusal(chart, charts)
		if why != "" {
			m.Refused = append(m.Refused, RefusedChart{Chart: chart, Reason: why, Taken: taken})
			continue
		}

		m.Wanted = append(m.Wanted, Member{Name: MemberName(c.Pipeline, chart), Chart: chart})
	}

	m = c.withoutSharedSources(m)
	for _, member := range c.Members {
		switch {
		case slices.Contains(charts, member.Chart):
		case c.Partial:
			m.Wanted = append(m.Wanted, member)
		case member.Used:
			m.Kept = append(m.Kept, member)
		default:
			m.Unused = append(m.Unused, member)
		}
	}

	slices.SortFunc(m.Wanted, func(a, b Member) int { return strings.Compare(a.Chart, b.Chart) })
	return m
}

// existing are the members that there are, sorted by chart.
func (c Charts) existing() []Member {
	all := slices.Clone(c.Members)
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.Chart, b.Chart) })
	return all
}

// member is the one with a name; nil when there is none.
func (c Charts) member(name string) *Member {
	i := slices.IndexFunc(c.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Members[i]
}

// refusal says why a chart gets no pipeline; empty when it gets one. taken is set when another owner has its name.
func (c Charts) refusal(chart string, charts []string) (why string, taken bool) {
	name := MemberName(c.Pipeline, chart)
	has := c.member(name)
	switch {
	case dnsLabel(chart) == "":
		return "its name has no letter and no digit of a DNS label", false
	case len(name) > maxPipelineName:
		return fmt.Sprintf("its pipeline would have the name %s, which is longer than %d characters; "+
			"give the pipeline a shorter name", name, maxPipelineName), false
	case c.Taken[name]:
		return fmt.Sprintf("ReleasePipeline %s exists and is not of this pipeline; rename one of them", name), true
	case has != nil && has.Chart == chart:
		return "", false
	case has != nil:
		return fmt.Sprintf("ReleasePipeline %s is of the chart %s; it has to go first", name, has.Chart), false
	}

	for _, other := range charts {
		if other != chart && MemberName(c.Pipeline, other) == name {
			return fmt.Sprintf("the chart %s would have the same pipeline, %s; ask for one of them", other, name), false
		}
	}

	return "", false
}

// withoutSharedSources refuses charts whose sources of stages would have the name of a source of another chart. Those
// that have a pipeline go first.
func (c Charts) withoutSharedSources(m Membership) Membership {
	owner := map[string]string{}
	claim := func(member Member) (source, other string) {
		for _, stage := range c.Stages {
			name := member.Name + "-" + stage
			if by := owner[name]; by != "" && by != member.Chart {
				return name, by
			}
		}

		for _, stage := range c.Stages {
			owner[member.Name+"-"+stage] = member.Chart
		}

		return "", ""
	}
	for _, member := range c.Members {
		claim(member)
	}

	m.Wanted = slices.DeleteFunc(m.Wanted, func(member Member) bool {
		if has := c.member(member.Name); has != nil {
			return false
		}

		source, other := claim(member)
		if source != "" {
			m.Refused = append(m.Refused, RefusedChart{Chart: member.Chart, Reason: fmt.Sprintf(
				"its source %s would be that of the chart %s, too; rename a stage", source, other)})
		}

		return source != ""
	})
	slices.SortFunc(m.Refused, func(a, b RefusedChart) int { return strings.Compare(a.Chart, b.Chart) })
	return m
}

// Phases of a chart of a pipeline with several.
const (
	ChartReady     = "Ready"     // nothing waits or fails
	ChartWaiting   = "Waiting"   // a gate, an approval or the HelmReleases
	ChartFailed    = "Failed"    // its pipeline is stalled, failed, or cannot be made
	ChartSuspended = "Suspended" // its pipeline is suspended
	ChartKept      = "Kept"      // it is no longer asked for, and HelmReleases use it
)
