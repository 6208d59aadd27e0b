package view

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/diff"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/values"
)

const (
	// MaxCauseRenderings bounds how often is rendered in the search for causes.
	MaxCauseRenderings = 40
	// MaxCauseTime bounds the time of the search.
	MaxCauseTime = time.Minute
	// maxCauses bounds the changes that are named as the cause of one field.
	maxCauses = 5
)

// Kinds of a CauseChange.
const (
	// CauseChart is another chart: its templates, files, name or version.
	CauseChart = "chart"
	// CauseValue is a value that the chart gets, whether it is given to it or its own.
	CauseValue = "value"
	// CausePostRendering is another set of post renderers or common metadata.
	CausePostRendering = "postRendering"
)

// Cause is why a field changes, or why an object is created or deleted.
type Cause struct {
	// Changes of the input without any of which it would be something else; absent where they are not known.
	Changes []CauseChange `json:"changes,omitempty"`
	// More is how many further changes there are.
	More int `json:"more,omitempty"`
	// Together is set when it stays as it is unless all of the changes are taken back.
	Together bool `json:"together,omitempty"`
	// Among is set when it is not known which of the changes it is.
	Among bool `json:"among,omitempty"`
	// Unknown says why the cause is not known, or not exactly.
	Unknown string `json:"unknown,omitempty"`
}

// CauseChange is one change of the input of a release.
type CauseChange struct {
	// Kind is chart, value or postRendering.
	Kind string `json:"kind"`
	// Path of a value, in the syntax of Helm's --set.
	Path string `json:"path,omitempty"`
	// From and To are the charts, or the values: texts as they are, other values as JSON. A value that may come from a
	// Secret is masked. Each is empty where there is none, and where values are not shown.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Origin is the layer that sets the value now; empty where none does, and where it is not known.
	Origin string `json:"origin,omitempty"`
	// SinceRevision is the first revision with it, of those up to the one that failed; 0 when that was not looked for.
	SinceRevision int `json:"sinceRevision,omitempty"`
}

// CausesInput is what causes are found from. It may hold secrets.
type CausesInput struct {
	Retracing *engine.Retracing
	// From is what runs, To what would run.
	From, To *engine.Content
	// Namespace of the release.
	Namespace string
	// Composition and Layers are what is wanted now; a value that To has differently has no origin.
	Composition *chart.Composition
	Layers      []values.Layer
	// Merged are the values of Layers, TakesSecrets is set when a value of a revision may come from a Secret.
	Merged       map[string]any
	TakesSecrets bool
	// Keeps is set when values of the former revision are kept.
	Keeps bool
	// Mask hides secrets in texts.
	Mask func(string) string
	// NamesOnly leaves out the values.
	NamesOnly bool
}

// AddCauses finds out why objects and their fields change, by rendering with the changes of the input taken back one
// after the other, and notes it with them. ctx is the one of the Retracing: it bounds the time. An error says which
// manifest cannot be read.
func AddCauses(ctx context.Context, in CausesInput, objects []*ObjectDifference) error {
	c := newCauses(in)
	targets, places := causeTargets(objects, in.Namespace)
	found, err := preview.FindCauses(preview.CauseInput{
		From: in.From.Rendering(), To: in.To.Rendering(), Namespace: in.Namespace, Targets: targets,
		Groups: c.groups, Rest: c.rest, Limit: MaxCauseRenderings,
		TakeBack: func(changes []int) (preview.Rendering, error) { return c.takeBack(ctx, changes) },
	})
	if err != nil {
		return fmt.Errorf("find the causes: %w", err)
	}

	for i, cause := range found {
		*places[i] = c.shown(cause)
	}

	return nil
}

// causeTargets are the objects that come or go and the fields that change, with the places of their causes.
func causeTargets(objects []*ObjectDifference, namespace string) (targets []preview.Target, places []**Cause) {
	for _, o := range objects {
		target := preview.Target{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		if target.Namespace == namespace {
			target.Namespace = ""
		}
		if o.Change != diff.Changed {
			targets = append(targets, target)
			places = append(places, &o.Cause)
			continue
		}

		for i := range o.Fields {
			target.Path = o.Fields[i].Path
			targets = append(targets, target)
			places = append(places, &o.Fields[i].Cause)
		}
	}
	return targets, places
}

// causes are the changes of an input, by number.
type causes struct {
	CausesInput
	changes []inputChange
	groups  [][]int
	rest    []int
	given   GivenValues
	former  GivenValues
	origins values.Origins
}

// inputChange is one change of the input; delta is set for a value.
type inputChange struct {
	kind  string
	delta *values.Delta
}

func newCauses(in CausesInput) *causes {
	c := &causes{
		CausesInput: in, origins: values.NewOrigins(in.Layers),
		given:  WantedValues(in.To.Values, in.Layers),
		former: StoredValues(in.Retracing.Former, in.Merged, in.TakesSecrets),
	}
	r := in.Retracing
	if r.ChartChanged {
		c.add(inputChange{kind: CauseChart}, r.FormerChart, true)
	}
	if r.RenderingChanged {
		c.add(inputChange{kind: CausePostRendering}, false, true)
	}
	for i := range r.Values {
		alone := i == 0 || r.Values[i].Path[0] != r.Values[i-1].Path[0]
		c.add(inputChange{kind: CauseValue, delta: &r.Values[i]}, true, alone)
	}

	return c
}

// add adds a change, which begins a group or is in that of the one before, unless it cannot be taken back.
func (c *causes) add(change inputChange, back, begins bool) {
	number := len(c.changes)
	c.changes = append(c.changes, change)
	switch {
	case !back:
		c.rest = append(c.rest, number)
	case begins:
		c.groups = append(c.groups, []int{number})
	default:
		last := len(c.groups) - 1
		c.groups[last] = append(c.groups[last], number)
	}
}

func (c *causes) takeBack(ctx context.Context, changes []int) (preview.Rendering, error) {
	if ctx.Err() != nil {
		return preview.Rendering{}, preview.ErrStopped
	}

	former := false
	var back []values.Delta
	for _, i := range changes {
		if delta := c.changes[i].delta; delta != nil {
			back = append(back, *delta)
		} else {
			former = true
		}
	}

	out, err := c.Retracing.TakeBack(former, back)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(preview.ErrStopped, err)
	}

	return out, err
}

func (c *causes) shown(found preview.Cause) *Cause {
	out := &Cause{Together: found.Together, Among: found.Among, Unknown: unknownCauses[found.Unknown]}
	for _, i := range found.Changes[:min(len(found.Changes), maxCauses)] {
		out.Changes = append(out.Changes, c.change(c.changes[i]))
	}
	out.More = len(found.Changes) - len(out.Changes)
	return out
}

// unknownCauses say why a cause is not known.
var unknownCauses = map[preview.Unknown]string{
	preview.UnknownLimit: fmt.Sprintf("the search ended after %d renderings or %s", MaxCauseRenderings,
		shortDuration(MaxCauseTime)),
	preview.UnknownRefused: "the chart does not render with some of the former inputs",
	preview.UnknownInput: "it is the same with the former chart and values: templates depend on the cluster, or on " +
		"the number of the revision",
}

func (c *causes) change(of inputChange) CauseChange {
	out := CauseChange{Kind: of.kind}
	switch of.kind {
	case CauseChart:
		out.From = c.From.ChartName + " " + c.From.ChartVersion
		out.To = c.To.ChartName + " " + c.To.ChartVersion
	case CauseValue:
		out.Path = of.delta.Text()
		out.Origin = c.origin(of.delta)
		if !c.NamesOnly {
			out.From = c.shownFormer(of.delta)
			out.To = c.shownWanted(of.delta)
		}
	}

	return out
}

// origin names the layer that sets a value now.
func (c *causes) origin(d *values.Delta) string {
	sources := c.Composition.Of(d.Path)
	_, given := c.origins.Of(d.Path)
	now, _ := values.At(c.Merged, d.Path)
	switch {
	case given && d.HasTo && !sameValue(now, d.To):
		return "" // another value is wanted by now
	case c.Keeps && !given && d.HasTo:
		return "kept by upgrade.preserveValues"
	case len(sources) > 0:
		return sources[0].From
	case d.HasTo && !isSet(c.To.Values, d.Path):
		return fmt.Sprintf("chart %s %s", c.To.ChartName, c.To.ChartVersion)
	}

	return ""
}

// shownFormer is a value of the former revision: one that was not given to the chart was its own, which is no secret.
func (c *causes) shownFormer(d *values.Delta) string {
	if !d.HasFrom {
		return ""
	}
	hidden := isSet(c.Retracing.Former, d.Path) && c.former.hides(d.Path, d.From)
	return c.text(d.From, hidden)
}

func (c *causes) shownWanted(d *values.Delta) string {
	if !d.HasTo {
		return ""
	}
	_, given := c.origins.Of(d.Path)
	return c.text(d.To, (given || c.Keeps) && c.given.hides(d.Path, d.To))
}

// text is a value in one text, which is masked before it is cut: half a secret would not be recognised.
func (c *causes) text(value any, hidden bool) string {
	if hidden {
		return Masked
	}

	return cutText(diff.Text(value), c.Mask)
}

// hides reports whether a value, or something in it, is a secret.
func (g GivenValues) hides(path []string, value any) bool {
	if g.secret(path, value) {
		return true
	}
	for key, below := range (optional{value, true}).below() {
		if g.hides(append(slices.Clone(path), key), below) {
			return true
		}
	}
	return false
}
