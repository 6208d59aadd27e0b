package main

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/helmops/view"
)

// lookBack compares what failed with the revision that was verified last: which values and which fields of the objects
// that failed are different, and why. What cannot be found out is noted.
func (a *app) lookBack(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, e *view.Explanation) {
	bounded, cancel := context.WithTimeout(ctx, view.MaxCauseTime)
	defer cancel()
	b := &lookingBack{connection: c, hr: hr, e: e}
	switch {
	case e.Introduced.Bad > 0:
		if err := b.revisions(bounded); err != nil {
			b.note("what the failed revision changed is not known: %s", err)
		}
	case len(e.LastFailure.Objects) > 0 || e.LastFailure.Phase == v1beta1.PhasePreflight:
		if err := b.wanted(bounded); err != nil {
			b.note("what the refused revision would change is not known: %s", err)
		}
	}

	trace, err := a.traceOf(ctx, c, v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind),
		types.NamespacedName{Namespace: hr.Namespace, Name: hr.Name})
	if err != nil {
		b.note("what declares the release is not known: %s", err)
	}

	e.Introduced.DeclaredBy = view.DeclaredBy(trace)
	e.WithCommands()
}

// lookingBack finds out how what failed came about.
type lookingBack struct {
	*connection
	hr *v1beta1.HelmRelease
	e  *view.Explanation
}

func (b *lookingBack) note(format string, err error) {
	b.e.Notes = append(b.e.Notes, fmt.Sprintf(format, oneLine(err.Error())))
}

// revisions compares the revision that failed with the one that was verified, as they are in storage.
func (b *lookingBack) revisions(ctx context.Context) error {
	look, err := b.engine(ctx)
	if err != nil {
		return err
	}

	good, err := b.stored(ctx, look, b.e.Introduced.Good)
	if err != nil {
		return err
	}

	bad, err := b.stored(ctx, look, b.e.Introduced.Bad)
	if err != nil {
		return err
	}
	if good == nil || bad == nil {
		return fmt.Errorf("revision %d or %d is no longer in storage", b.e.Introduced.Good, b.e.Introduced.Bad)
	}

	if b.e.Introduced.ValuesChanged {
		b.e.WithValueKeys(good.Values, bad.Values)
	}

	objects, err := b.suspects(good, bad)
	if err != nil || len(objects) == 0 {
		return err
	}

	if err := b.causes(ctx, look, good, bad, objects); err != nil {
		b.note("which values changed these fields is not known: %s", err)
	}

	b.e.Introduced.Dated(b.between(ctx, look, good, bad))
	return nil
}

func (b *lookingBack) stored(ctx context.Context, look inspector, version int) (*engine.Content, error) {
	return look.Stored(ctx, cluster.Access{}, view.Target(b.hr), version)
}

// suspects are the objects that failed, with what is different of them. Of the fields only the names are kept.
func (b *lookingBack) suspects(good, bad *engine.Content) ([]*view.ObjectDifference, error) {
	namespace := view.Target(b.hr).Namespace
	d, err := view.ContentDifferences(good, bad, namespace, nil)
	if err != nil {
		return nil, err
	}
	return b.e.WithSuspects(d.Objects, namespace), nil
}

// causes finds the values that changed the fields. Where the values that are wanted now cannot be read, their origins
// are left out.
func (b *lookingBack) causes(
	ctx context.Context, look inspector, good, bad *engine.Content, objects []*view.ObjectDifference,
) error {
	composed, err := controllers.Values(ctx, callerReader{b.client}, b.hr)
	if err != nil {
		b.note("which layers set the values is not known: %s", err)
	}

	composition, err := chart.Compose(nil, "", composed.Layers)
	if err != nil {
		return err
	}

	in := view.CausesInput{
		From: good, To: bad, Namespace: view.Target(b.hr).Namespace, NamesOnly: true,
		Composition: composition, Layers: composed.Layers, Merged: composed.Merged,
	}
	action := release.Rendering(b.hr, release.Inputs{}, false)
	if err := addCauses(ctx, look, action, good.Revision, bad.Revision, in, objects); err != nil {
		return fmt.Errorf("%s", composed.Mask.Apply(err.Error()))
	}

	return nil
}

// between are the revisions from one to the other that can be read, the newest few.
func (b *lookingBack) between(ctx context.Context, look inspector, good, bad *engine.Content) []*engine.Content {
	out := []*engine.Content{bad}
	for version := bad.Revision - 1; version > good.Revision && len(out) < view.MaxSince; version-- {
		content, err := b.stored(ctx, look, version)
		if err != nil || content == nil {
			break
		}

		out = append([]*engine.Content{content}, out...)
	}
	return out
}

// wanted compares what was refused before there was a revision with the one that was verified, by rendering it.
func (b *lookingBack) wanted(ctx context.Context) error {
	use := func(ctx context.Context, look inspector, w *wantedRelease) error {
		digest := values.DigestWith(w.in.Values, w.in.Chart.ValuesDigest)
		if !view.IsFailedInput(b.e.LastFailure, w.in.Chart.Digest, digest) {
			return fmt.Errorf("chart %s with the values that are wanted now is not what failed", w.in.Chart)
		}

		rendering := release.Rendering(b.hr, w.in, false)
		rendering.Chart = w.action.Chart
		f, err := look.Foresee(ctx, rendering)
		if err != nil {
			return fmt.Errorf("%s", w.in.Mask.Apply(err.Error()))
		}

		objects, err := b.suspects(f.From, f.To)
		if err != nil || len(objects) == 0 || f.Inputs.From == 0 {
			return err
		}

		in := w.causesInput(f.From, f.To)
		in.NamesOnly = true
		in.Namespace = rendering.Target.Namespace
		in.Keeps = rendering.Options.PreserveValues
		if in.Composition, err = w.composition(ctx, b.connection); err != nil {
			return err
		}

		return addCauses(ctx, look, rendering, f.Inputs.From, 0, in, objects)
	}
	return withWantedRelease(ctx, b.connection, wantedSource{release: b.hr}, use)
}

func introducedLines(e view.Explanation) []string {
	i := e.Introduced
	if i == nil {
		return nil
	}

	bad := "what was tried"
	if i.Bad > 0 {
		bad = fmt.Sprintf("revision %d", i.Bad)
	}

	lines := []string{fmt.Sprintf("%s, compared with revision %d, which was verified last", bad, i.Good)}
	if i.ChartChanged {
		lines = append(lines, fmt.Sprintf("chart: %s → %s", chartAndDigest(i.GoodChart), chartAndDigest(i.BadChart)))
	} else {
		lines = append(lines, "chart: the same, "+chartAndDigest(i.GoodChart))
	}

	switch {
	case !i.ValuesChanged:
		lines = append(lines, "values: the same")
	case len(i.ValueKeys) > 0:
		lines = append(lines, "values: changed: "+strings.Join(i.ValueKeys, ", "))
	default:
		lines = append(lines, "values: changed")
	}

	if i.RenderingChanged {
		lines = append(lines, "post renderers or common metadata: changed")
	}

	return append(lines, suspectLines(e)...)
}

// suspectLines name the fields that are different of the objects that failed, and what changed them.
func suspectLines(e view.Explanation) []string {
	var lines []string
	for _, o := range e.Introduced.Objects {
		name := objectText(o.Kind, o.Namespace, o.Name, e.Namespace)
		if len(o.Fields) == 0 {
			lines = append(lines, name+": "+o.Change+suspectCause(o.Cause))
		}
		for _, f := range o.Fields {
			lines = append(lines, fmt.Sprintf("%s: %s %s%s", name, f.Path, f.Change, suspectCause(f.Cause)))
		}
		if o.More > 0 {
			lines = append(lines, fmt.Sprintf("%s: and %s", name, plural(o.More, "more field")))
		}
	}

	if d := e.Introduced.DeclaredBy; d != nil {
		lines = append(lines, fmt.Sprintf("declared by Kustomization %s/%s, which applied %s last",
			d.Namespace, d.Name, orNone(d.Revision)))
	}

	return lines
}

// suspectCause is the end of a line: by value image.tag (spec.values) since revision 43.
func suspectCause(c *view.Cause) string {
	if c == nil {
		return ""
	}
	if len(c.Changes) == 0 {
		return ", cause not determined: " + c.Unknown
	}

	texts := make([]string, 0, len(c.Changes)+1)
	for _, change := range c.Changes {
		text := causeText(change)
		if change.SinceRevision > 0 {
			text += fmt.Sprintf(" since revision %d", change.SinceRevision)
		}

		texts = append(texts, text)
	}
	if c.More > 0 {
		texts = append(texts, fmt.Sprintf("%d more", c.More))
	}

	joined := " and "
	by := " by "
	switch {
	case c.Among:
		by = " by one of "
	case c.Together:
		joined = " together with "
	}

	return by + strings.Join(texts, joined)
}
