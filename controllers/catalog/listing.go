package catalog

import (
	"context"
	"fmt"
	"regexp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
)

// maxListed is how many names of charts an answer has at most: one more than a pipeline may have.
const maxListed = promotion.MaxCharts + 1

// listing asks for the names of charts instead of a chart; the zero value asks for none.
type listing struct {
	// Include has to match a name, Exclude must not; an empty Exclude is no such rule.
	Include, Exclude string
}

// String names the listing, for messages and as part of a key.
func (l listing) String() string {
	if l.Exclude == "" {
		return fmt.Sprintf("the charts matching %q", l.Include)
	}
	return fmt.Sprintf("the charts matching %q and not %q", l.Include, l.Exclude)
}

// lists reports whether the choice is of names, and not of a chart.
func (c ChartRef) lists() bool { return c.listing.Include != "" }

// Names returns the names of the charts that a choice lists, sorted, and at most one more than a pipeline may have. It
// never waits: see Chart.
func (c *Catalog) Names(ctx context.Context, choice ChartRef) ([]string, error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return nil, err
	}
	if found, ok := c.pick(ctx, choice, source); ok {
		return found.Names, found.err
	}
	return nil, c.unknown(choice, source)
}

// pickNames lists the charts of an index that have a version.
func pickNames(index *helmrepo.Index, choice ChartRef) resolved {
	include, err := regexp.Compile(choice.listing.Include)
	if err != nil {
		return resolved{err: notARegexp(choice, choice.listing.Include, err)}
	}

	var exclude *regexp.Regexp
	if choice.listing.Exclude != "" {
		if exclude, err = regexp.Compile(choice.listing.Exclude); err != nil {
			return resolved{err: notARegexp(choice, choice.listing.Exclude, err)}
		}
	}

	var found resolved
	for _, name := range index.Charts() {
		if len(found.Names) == maxListed {
			break
		}

		if len(index.Versions(name)) == 0 || !include.MatchString(name) ||
			exclude != nil && exclude.MatchString(name) {
			continue
		}

		found.Names = append(found.Names, name)
	}

	return found
}

func notARegexp(choice ChartRef, text string, err error) error {
	return sources.Stall(v1beta1.InvalidReferenceReason, err, "%s: %q is not a regular expression", choice, text)
}

// unlisted is the answer of a registry, which cannot list its charts.
func unlisted(choice ChartRef) resolved {
	return resolved{err: sources.Stall(v1beta1.UnsupportedReason, nil,
		"%s: a registry cannot list its charts; write them into spec.subject.charts.names", choice)}
}
