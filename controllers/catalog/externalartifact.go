package catalog

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources/store"
)

// latestRevision is how the revision of an artifact begins that has that of its content.
const latestRevision = "latest@"

// composed is what was made for an ExternalArtifact last, in this process.
type composed struct {
	// input tells one set of rules and source artifacts from another.
	input string
	// artifact has no time.
	artifact v1beta1.Artifact
	files    int
	chart    *v1beta1.ChartRevision
	holder   store.Holder
	// archive is the digest of the archive of the chart, and noChart why there is none.
	archive string
	noChart string
}

// ingredient is the artifact of a source that files are copied from.
type ingredient struct {
	source   v1beta1.Source
	choice   ChartRef
	artifact v1beta1.Artifact
}

// pollExternalArtifact makes the artifact that a generator declares, unless it was made of the same before.
func (c *Catalog) pollExternalArtifact(ctx context.Context, source v1beta1.Source, _ []ChartRef) Polled {
	object := source.(*v1beta1.ExternalArtifact)
	generator, err := c.generatorOf(ctx, object)
	if err != nil {
		return Polled{Err: err, Rules: rulesUnknown}
	}
	if err := c.suspended(object, generator); err != nil {
		return Polled{Err: err}
	}

	r, err := c.recipeOf(ctx, object, generator)
	if err != nil {
		return Polled{Err: err, Rules: rulesUnknown}
	}

	out := Polled{Rules: r.rules}
	parts, err := c.ingredients(ctx, object, r)
	if err != nil {
		out.Err = err
		return out
	}

	made, err := c.composeOnce(ctx, object, r, parts)
	if err == nil && r.generator.Spec.Suspend && made.artifact.Digest != object.GetArtifact().Digest {
		err = unavailable(v1beta1.SourceNotReadyReason, "the cache has lost %s, the sources no longer make it, and "+
			"ArtifactGenerator %s is suspended", object.GetArtifact().Revision, r.generator.Name)
	}
	if err != nil {
		out.Err = err
		return out
	}

	out.Artifact = made.artifact
	out.Chart = made.chart
	out.Origin = originOf(r.output, parts)
	out.Message = made.describe(r)
	return out
}

// suspended keeps the artifact of a generator that is suspended as it is: the error is pending, so nothing is recorded.
// What the cache has lost is made again. It is nil for others.
func (c *Catalog) suspended(object *v1beta1.ExternalArtifact, generator *v1beta1.ArtifactGenerator) error {
	if !generator.Spec.Suspend {
		return nil
	}

	had := object.GetArtifact()
	switch {
	case had == nil:
		return unavailable(v1beta1.SourceNotReadyReason, "ArtifactGenerator %s is suspended", generator.Name)
	case c.View(object).Has(had.Digest):
		return &pending{what: "ArtifactGenerator " + generator.Name + " is suspended"}
	}

	return nil
}

// ingredients finds the artifacts of the sources that decide about an artifact.
func (c *Catalog) ingredients(
	ctx context.Context, object *v1beta1.ExternalArtifact, r recipe,
) (map[string]ingredient, error) {
	if err := c.noCycle(ctx, object, r); err != nil {
		return nil, err
	}

	parts := map[string]ingredient{}
	for _, alias := range r.output.Aliases() {
		part, err := c.ingredient(ctx, choiceOfSource(r.generator, r.refs[alias]))
		if err != nil {
			return nil, fmt.Errorf("the source @%s: %w", alias, err)
		}
		parts[alias] = part
	}

	return parts, nil
}

// ingredient finds the artifact that a source has now.
func (c *Catalog) ingredient(ctx context.Context, choice ChartRef) (ingredient, error) {
	source, err := c.source(ctx, choice)
	if err != nil {
		return ingredient{}, err
	}

	artifact := source.GetArtifact()
	if artifact == nil {
		return ingredient{}, noArtifact(choice, source)
	}

	return ingredient{source: source, choice: choice, artifact: *artifact}, nil
}

// noArtifact says why a source has none. The watch of the sources brings the artifact back when it has.
func noArtifact(choice ChartRef, source v1beta1.Source) error {
	if reason, failed := failure(source); failed {
		return unavailable(v1beta1.SourceNotReadyReason, "%s is not ready: %s", choice, reason)
	}
	return unavailable(v1beta1.SourceNotReadyReason, "%s has no artifact yet; the controller continues when it has",
		choice)
}

// originOf is the revision of the source that originRevision names.
func originOf(output v1beta1.OutputArtifact, parts map[string]ingredient) string {
	if output.OriginRevision == "" {
		return ""
	}
	return parts[strings.TrimPrefix(output.OriginRevision, "@")].artifact.Revision
}

// describe says what an artifact is made of. It changes with the content and the rules alone.
func (m composed) describe(r recipe) string {
	aliases := r.output.Aliases()
	names := make([]string, 0, len(aliases))
	for _, alias := range aliases {
		names = append(names, "@"+alias)
	}

	text := fmt.Sprintf("%d files of %s of ArtifactGenerator %s", m.files, strings.Join(names, ", "), r.generator.Name)
	switch {
	case m.chart != nil:
		text += fmt.Sprintf(", the helm chart %s %s", m.chart.Name, m.chart.Version)
	case m.noChart != "":
		text += ", no helm chart: " + m.noChart
	}

	return text
}
