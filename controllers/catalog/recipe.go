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
	// refs are the sources by their aliases.
	refs map[string]v1beta1.ArtifactSourceReference
}

func newRecipe(generator *v1beta1.ArtifactGenerator, output v1beta1.OutputArtifact) recipe {
	r := recipe{generator: generator, output: output, refs: map[string]v1beta1.ArtifactSourceReference{}}
	for _, ref := range generator.Spec.Sources {
		r.refs[ref.Alias] = ref
	}
	return r
}

// rulesUnknown is what is observed of the rules of an artifact that no generator declares.
const rulesUnknown = "none"

// RulesOf is a digest of what a generator says about one artifact.
func RulesOf(generator *v1beta1.ArtifactGenerator, name string) string {
	output := generator.GetOutput(name)
	if output == nil {
		return rulesUnknown
	}

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

// recipeOf finds the rules of an artifact.
func (c *Catalog) recipeOf(ctx context.Context, object *v1beta1.ExternalArtifact) (recipe, error) {
	name, ok := object.GetGenerator()
	if !ok {
		return recipe{}, sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"spec.sourceRef names no ArtifactGenerator of namespace %s; the controller cannot fetch artifacts that other "+
				"programs make", object.Namespace)
	}

	generator := &v1beta1.ArtifactGenerator{}
	key := types.NamespacedName{Namespace: object.Namespace, Name: name}
	err := c.objects.Get(ctx, key, generator)
	switch {
	case apierrors.IsNotFound(err):
		return recipe{}, unavailable(v1beta1.SourceNotFoundReason,
			"ArtifactGenerator %s does not exist; the controller continues when it is created", key)
	case err != nil:
		return recipe{}, sources.Fail(v1beta1.SourceNotReadyReason, err, "reading ArtifactGenerator %s", key)
	}

	output := generator.GetOutput(object.Name)
	if output == nil {
		return recipe{}, sources.Stall(v1beta1.InvalidReferenceReason, nil,
			"ArtifactGenerator %s does not declare the artifact %s", key, object.Name)
	}

	aliases, err := c.admitSources(generator)
	if err != nil {
		return recipe{}, err
	}
	if err := admitOutput(*output, aliases); err != nil {
		return recipe{}, err
	}

	return newRecipe(generator, *output), nil
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
		if err := admitOutput(output, aliases); err != nil {
			return err
		}
	}

	return nil
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
	for _, alias := range output.Aliases() {
		if !aliases[alias] {
			return sources.Stall(v1beta1.InvalidReferenceReason, nil,
				"artifact %s: spec.sources has no source with the alias %s", output.Name, alias)
		}
	}
	if err := compose.Check(output); err != nil {
		return sources.Stall(v1beta1.InvalidReferenceReason, err, "artifact %s", output.Name)
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

	output := generator.GetOutput(key.Name)
	if output == nil {
		return nil
	}

	return newRecipe(generator, *output).artifacts()
}

// artifacts are the ExternalArtifacts that decide about an artifact.
func (r recipe) artifacts() []ChartRef {
	var found []ChartRef
	for _, alias := range r.output.Aliases() {
		ref := r.refs[alias]
		if ref.Kind != v1beta1.ExternalArtifactKind {
			continue
		}
		key := ref.GetKey(r.generator.Namespace)
		found = append(found, ChartRef{Kind: ref.Kind, Namespace: key.Namespace, Name: key.Name})
	}
	return found
}
