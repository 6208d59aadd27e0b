package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/compose"
)

// RefuseOtherNamespaces has no artifact made of sources in another namespace than its own. It is for setting up.
func (c *Catalog) RefuseOtherNamespaces() { c.ownNamespace = true }

// recipe is what an ArtifactGenerator says about one artifact.
type recipe struct {
	generator *v1beta1.ArtifactGenerator
	output    v1beta1.OutputArtifact
	// rules is a digest of what the generator says about the artifact.
	rules string
	// refs are the sources by their aliases, and pattern is the alias that a pathPattern names; empty without one.
	refs    map[string]v1beta1.ArtifactSourceReference
	pattern string
}

func newRecipe(generator *v1beta1.ArtifactGenerator, output v1beta1.OutputArtifact, rules string) recipe {
	r := recipe{
		generator: generator, output: output, rules: rules, refs: map[string]v1beta1.ArtifactSourceReference{},
	}
	for _, ref := range generator.Spec.Sources {
		r.refs[ref.Alias] = ref
	}
	return r
}

// rulesUnknown is what is observed of the rules of an artifact that no generator declares.
const rulesUnknown = "none"

// rulesOf is a digest of what a generator says about one artifact, or about those of one template.
func rulesOf(generator *v1beta1.ArtifactGenerator, output v1beta1.OutputArtifact) string {
	text := []any{string(generator.UID), output}
	for _, alias := range output.Aliases() {
		for _, ref := range generator.Spec.Sources {
			if ref.Alias == alias {
				text = append(text, ref)
			}
		}
	}

	return digestOfJSON(text)
}

func digestOfJSON(what any) string {
	text, err := json.Marshal(what)
	if err != nil {
		panic(err) // values of the API can be written
	}
	sum := sha256.Sum256(text)
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

// generatorOf finds the generator of an artifact.
func (c *Catalog) generatorOf(
	ctx context.Context, object *v1beta1.ExternalArtifact,
) (*v1beta1.ArtifactGenerator, error) {
	name, ok := object.GetGenerator()
	if !ok {
		return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"spec.sourceRef names no ArtifactGenerator of namespace %s; the controller cannot fetch artifacts that other "+
				"programs make", object.Namespace)
	}

	generator := &v1beta1.ArtifactGenerator{}
	key := types.NamespacedName{Namespace: object.Namespace, Name: name}
	err := c.objects.Get(ctx, key, generator)
	switch {
	case apierrors.IsNotFound(err):
		return nil, unavailable(v1beta1.SourceNotFoundReason,
			"ArtifactGenerator %s does not exist; the controller continues when it is created", key)
	case err != nil:
		return nil, sources.Fail(v1beta1.SourceNotReadyReason, err, "reading ArtifactGenerator %s", key)
	}

	return generator, nil
}

// recipeOf finds the rules of an artifact of a generator.
func (c *Catalog) recipeOf(
	ctx context.Context, object *v1beta1.ExternalArtifact, generator *v1beta1.ArtifactGenerator,
) (recipe, error) {
	if generator.Spec.PathPattern != "" {
		return c.expandedRecipe(ctx, object, generator)
	}

	output := generator.GetOutput(object.Name)
	if output == nil {
		return recipe{}, undeclared(object, generator)
	}

	aliases, err := c.admitSources(generator)
	if err != nil {
		return recipe{}, err
	}
	if err := admitOutput(*output, aliases); err != nil {
		return recipe{}, err
	}

	return newRecipe(generator, *output, rulesOf(generator, *output)), nil
}

func undeclared(object *v1beta1.ExternalArtifact, generator *v1beta1.ArtifactGenerator) error {
	return sources.Stall(v1beta1.InvalidReferenceReason, nil, "ArtifactGenerator %s/%s does not declare the artifact %s",
		generator.Namespace, generator.Name, object.Name)
}

// AdmitGenerator refuses a generator whose spec cannot be carried out. Only a change of it helps.
func (c *Catalog) AdmitGenerator(generator *v1beta1.ArtifactGenerator) error {
	aliases, err := c.admitSources(generator)
	if err != nil {
		return err
	}

	names := map[string]bool{}
	for _, output := range generator.Spec.OutputArtifacts {
		if names[output.Name] {
			return sources.Stall(v1beta1.InvalidReferenceReason, nil, "spec.artifacts has the name %s twice", output.Name)
		}
		names[output.Name] = true
	}

	if generator.Spec.PathPattern != "" {
		return admitTemplates(generator, aliases)
	}

	for _, output := range generator.Spec.OutputArtifacts {
		if err := admitOutput(output, aliases); err != nil {
			return err
		}
	}

	return nil
}

// admitTemplates checks a pattern of directories, and what a generator says about the artifacts of one.
func admitTemplates(generator *v1beta1.ArtifactGenerator, aliases map[string]bool) error {
	pattern, err := admitPattern(generator, aliases)
	if err != nil {
		return err
	}

	for _, template := range generator.Spec.OutputArtifacts {
		if err := admitTemplate(pattern, template, aliases); err != nil {
			return err
		}
	}

	return nil
}

func admitPattern(generator *v1beta1.ArtifactGenerator, aliases map[string]bool) (compose.Directories, error) {
	pattern, err := compose.ParseDirectories(generator.Spec.PathPattern)
	if err == nil && !aliases[pattern.Alias] {
		err = sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"spec.pathPattern: spec.sources has no source with the alias %s", pattern.Alias)
	}
	return pattern, err
}

func admitTemplate(pattern compose.Directories, template v1beta1.OutputArtifact, aliases map[string]bool) error {
	if err := admitAliases(template, aliases); err != nil {
		return err
	}
	return pattern.CheckTemplate(template)
}

// admitSources checks the sources of a generator, and returns their aliases.
func (c *Catalog) admitSources(generator *v1beta1.ArtifactGenerator) (aliases map[string]bool, err error) {
	if message := v1beta1.UnsupportedMessage(generator); message != "" {
		return nil, sources.Stall(v1beta1.UnsupportedReason, nil, "%s", message)
	}

	aliases = map[string]bool{}
	for i, ref := range generator.Spec.Sources {
		key := ref.GetKey(generator.Namespace)
		switch {
		case aliases[ref.Alias]:
			return nil, sources.Stall(v1beta1.InvalidReferenceReason, nil, "spec.sources[%d]: the alias %s is used twice", i,
				ref.Alias)
		case c.ownNamespace && key.Namespace != generator.Namespace:
			return nil, sources.Stall(v1beta1.AccessDeniedReason, nil,
				"spec.sources[%d] names %s %s in another namespace, which this installation does not allow "+
					"(--no-cross-namespace-refs)", i, ref.Kind, key)
		}

		aliases[ref.Alias] = true
	}

	return aliases, nil
}

// admitOutput checks what a generator says about one artifact.
func admitOutput(output v1beta1.OutputArtifact, aliases map[string]bool) error {
	if err := admitAliases(output, aliases); err != nil {
		return err
	}
	if err := compose.Check(output); err != nil {
		return sources.Stall(v1beta1.InvalidReferenceReason, err, "artifact %s", output.Name)
	}
	return nil
}

func admitAliases(output v1beta1.OutputArtifact, aliases map[string]bool) error {
	for _, alias := range output.Aliases() {
		if !aliases[alias] {
			return sources.Stall(v1beta1.InvalidReferenceReason, nil,
				"artifact %s: spec.sources has no source with the alias %s", output.Name, alias)
		}
	}
	return nil
}

// maxChain is how many ExternalArtifacts may be made of one another.
const maxChain = 16

// noCycle refuses an artifact that is made of itself, by way of others.
func (c *Catalog) noCycle(ctx context.Context, object *v1beta1.ExternalArtifact, r recipe) error {
	start := keyOf(v1beta1.ExternalArtifactKind, object)
	seen := map[ChartRef]bool{start: true}
	next := r.artifacts()
	for depth := 0; len(next) > 0; depth++ {
		var further []ChartRef
		for _, key := range next {
			if key == start || depth >= maxChain {
				return sources.Fail(v1beta1.DependencyCycleReason, nil,
					"%s is made of itself, or of a chain of more than %d ExternalArtifacts, by way of %s", start, maxChain, key)
			}
			if seen[key] {
				continue
			}

			seen[key] = true
			further = append(further, c.madeOf(ctx, key)...)
		}
		next = further
	}
	return nil
}

// madeOf lists the ExternalArtifacts that one is made of, as far as that is known.
func (c *Catalog) madeOf(ctx context.Context, key ChartRef) []ChartRef {
	source, err := c.read(ctx, key)
	if err != nil {
		return nil // it is reported as a source that does not exist
	}

	name, _ := source.(*v1beta1.ExternalArtifact).GetGenerator()
	generator := &v1beta1.ArtifactGenerator{}
	if err := c.objects.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: name}, generator); err != nil {
		return nil // it makes nothing
	}

	if generator.Spec.PathPattern != "" {
		return c.madeOfDirectories(generator, key.Name)
	}

	output := generator.GetOutput(key.Name)
	if output == nil {
		return nil
	}

	return newRecipe(generator, *output, "").artifacts()
}

// artifacts are the ExternalArtifacts that decide about an artifact.
func (r recipe) artifacts() []ChartRef {
	aliases := r.output.Aliases()
	if r.pattern != "" {
		aliases = append(aliases, r.pattern)
	}

	var found []ChartRef
	for _, alias := range aliases {
		ref := r.refs[alias]
		if ref.Kind != v1beta1.ExternalArtifactKind {
			continue
		}
		key := ref.GetKey(r.generator.Namespace)
		found = append(found, ChartRef{Kind: ref.Kind, Namespace: key.Namespace, Name: key.Name})
	}
	return found
}
