package main

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/view"
)

// findCauses notes with the objects of a plan why they change.
type findCauses func(rendering engine.Action, f *engine.Foresight, objects []view.PlanObject) error

// findCauses finds causes among what is wanted and what runs.
func (w *wantedRelease) findCauses(ctx context.Context, c *connection, look inspector) findCauses {
	return func(rendering engine.Action, f *engine.Foresight, objects []view.PlanObject) error {
		composition, err := w.composition(ctx, c)
		if err != nil {
			return fmt.Errorf("find out where values come from: %w", err)
		}

		in := w.causesInput(f.From, f.To)
		in.Composition = composition
		in.Mask = view.SecretsMask(release.MaskOf(w.release, w.in, f.From.Values), f.From, f.To).Apply
		in.Namespace = rendering.Target.Namespace
		in.Keeps = rendering.Options.PreserveValues
		differences := make([]*view.ObjectDifference, 0, len(objects))
		for i := range objects {
			differences = append(differences, &objects[i].ObjectDifference)
		}

		return addCauses(ctx, look, rendering, f.Inputs.From, 0, in, differences)
	}
}

// composition is what the chart gets, and where that comes from.
func (w *wantedRelease) composition(ctx context.Context, c *connection) (*chart.Composition, error) {
	own, err := ownValues(ctx, callerReader{c.client}, w.release, w.fetched)
	if err != nil {
		return nil, err
	}
	return chart.Compose(w.action.Chart, own, w.layers)
}

func (w *wantedRelease) causesInput(from, to *engine.Content) view.CausesInput {
	return view.CausesInput{
		From: from, To: to, Layers: w.layers, Merged: w.in.Values, TakesSecrets: w.takesSecrets,
	}
}

// addCauses notes with objects why they change between a revision and another one, or what the action makes where to
// is 0. The search is bound in time.
func addCauses(
	ctx context.Context, look inspector, action engine.Action, from, to int, in view.CausesInput,
	objects []*view.ObjectDifference,
) error {
	ctx, cancel := context.WithTimeout(ctx, view.MaxCauseTime)
	defer cancel()
	var err error
	if in.Retracing, err = look.Retrace(ctx, action, from, to); err != nil {
		return fmt.Errorf("find the causes since revision %d: %w", from, err)
	}
	return view.AddCauses(ctx, in, objects)
}

// causeLines say why a field or an object changes; there are none where that was not asked for.
func causeLines(indent string, c *view.Cause) []string {
	if c == nil {
		return nil
	}

	out := make([]string, 0, len(c.Changes)+1)
	for i, change := range c.Changes {
		begins := "cause: "
		switch {
		case c.Among:
			begins = "possible cause: "
		case c.Together && i > 0:
			begins = "together with: "
		}

		out = append(out, indent+oneLine(begins+causeText(change)))
	}

	if c.More > 0 {
		out = append(out, fmt.Sprintf("%sand %d more", indent, c.More))
	}
	if c.Unknown != "" {
		out = append(out, indent+"cause not determined: "+c.Unknown)
	}

	return out
}

// causeText is one line: value image.tag: 1.18.4 → 1.19.0 (spec.values).
func causeText(c view.CauseChange) string {
	switch c.Kind {
	case view.CauseChart:
		return fmt.Sprintf("chart %s → %s", c.From, c.To)
	case view.CausePostRendering:
		return "post renderers or common metadata"
	}

	text := fmt.Sprintf("value %s", c.Path)
	if c.From != "" || c.To != "" {
		text += fmt.Sprintf(": %s → %s", orNone(quotedLines(c.From)), orNone(quotedLines(c.To)))
	}
	if c.Origin != "" {
		text += " (" + c.Origin + ")"
	}

	return text
}

// quotedLines is a text in one line: one of several lines is quoted.
func quotedLines(text string) string {
	if strings.Contains(text, "\n") {
		return valueLine(text)
	}
	return text
}
