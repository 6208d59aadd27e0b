package catalog

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/compose"
)

// expansion is what the templates of a generator stand for at one artifact of the source that pathPattern names.
type expansion struct {
	// templates tells one set of templates from another, input one artifact of the source, too.
	templates string
	input     string
	outputs   []compose.Expanded
	places    map[string]int // in outputs, by name
	// problem is what is wrong with the directories; the outputs are those without one.
	problem error
}

// Output is an ExternalArtifact that a generator declares.
type Output struct {
	Name string
	// Labels are what pathPattern finds in the path of a directory; none without one.
	Labels map[string]string
	// Rules is a digest of what the generator says about it.
	Rules string
}

// Outputs returns the ExternalArtifacts that a generator declares, which AdmitGenerator has admitted. It never waits:
// known is false while Expand has to read the directories that pathPattern stands for. The error IsPending while the
// source has no artifact yet. After any error there may be others than those that are returned, so none is deleted.
func (c *Catalog) Outputs(
	ctx context.Context, generator *v1beta1.ArtifactGenerator,
) (outputs []Output, known bool, err error) {
	if generator.Spec.PathPattern == "" {
		for _, output := range generator.Spec.OutputArtifacts {
			outputs = append(outputs, Output{Name: output.Name, Rules: rulesOf(generator, output)})
		}
		return outputs, true, nil
	}

	_, part, err := c.patternOf(ctx, generator)
	if err != nil {
		return nil, true, err
	}

	found := c.expanded(generator)
	if found == nil || found.input != found.inputOf(part) {
		return nil, false, nil
	}

	templates := make([]string, len(generator.Spec.OutputArtifacts))
	for i, template := range generator.Spec.OutputArtifacts {
		templates[i] = rulesOf(generator, template)
	}
	for _, output := range found.outputs {
		outputs = append(outputs, Output{
			Name: output.Name, Labels: output.Directory.Labels(), Rules: rulesFor(templates[output.Template], output),
		})
	}

	return outputs, true, found.problem
}

// rulesFor is a digest of what a generator says about the artifact of a template, whose digest it gets.
func rulesFor(template string, output compose.Expanded) string {
	return digestOfJSON([]any{template, output.Directory.Values})
}

// Expand reads the directories that pathPattern of a generator stands for, so that Outputs knows its ExternalArtifacts.
// The artifact of the source is fetched again when the cache has lost it. It waits, so it is not for workers.
func (c *Catalog) Expand(ctx context.Context, generator *v1beta1.ArtifactGenerator) error {
	_, err := c.expand(ctx, generator)
	return err
}

// Declares reports whether a generator declares an ExternalArtifact, as far as that is known without reading a source.
func (c *Catalog) Declares(generator *v1beta1.ArtifactGenerator, name string) bool {
	if generator.Spec.PathPattern == "" {
		return generator.GetOutput(name) != nil
	}

	found := c.expanded(generator)
	if found == nil {
		return false
	}

	_, is := found.places[name]
	return is
}

// ForgetGenerator drops what is known of a generator that is gone.
func (c *Catalog) ForgetGenerator(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.expansions, key)
}

// expanded returns what the present templates of a generator stood for when the directories were read last; nil when
// they were not.
func (c *Catalog) expanded(generator *v1beta1.ArtifactGenerator) *expansion {
	c.mu.Lock()
	found := c.expansions[generatorKey(generator)]
	c.mu.Unlock()
	if found == nil || found.templates != templatesOf(generator) {
		return nil
	}
	return found
}

func generatorKey(generator *v1beta1.ArtifactGenerator) types.NamespacedName {
	return types.NamespacedName{Namespace: generator.Namespace, Name: generator.Name}
}

// templatesOf tells the pattern and the templates of a generator from others, as far as the names of artifacts go.
func templatesOf(generator *v1beta1.ArtifactGenerator) string {
	names := make([]string, len(generator.Spec.OutputArtifacts))
	for i, template := range generator.Spec.OutputArtifacts {
		names[i] = template.Name
	}
	return digestOfJSON([]any{string(generator.UID), generator.Spec.PathPattern, names})
}

// inputOf tells one artifact of a source from another.
func (e *expansion) inputOf(part ingredient) string {
	return digestOfJSON([]string{e.templates, holderOf(part.source).ID, part.artifact.Digest})
}

// patternOf reads the pattern of a generator, and finds the artifact of its source.
func (c *Catalog) patternOf(
	ctx context.Context, generator *v1beta1.ArtifactGenerator,
) (compose.Directories, ingredient, error) {
	pattern, err := compose.ParseDirectories(generator.Spec.PathPattern)
	if err != nil {
		return compose.Directories{}, ingredient{}, err
	}

	choice := choiceOfPattern(generator)
	if err := c.noPatternCycle(ctx, generator, choice); err != nil {
		return compose.Directories{}, ingredient{}, err
	}

	source, err := c.source(ctx, choice)
	if err != nil {
		return compose.Directories{}, ingredient{}, ofPattern(pattern, err)
	}

	artifact := source.GetArtifact()
	if artifact == nil {
		if _, failed := failure(source); failed || source.IsSuspended() {
			return compose.Directories{}, ingredient{}, ofPattern(pattern, noArtifact(choice, source))
		}
		return compose.Directories{}, ingredient{}, &pending{what: "waiting for the artifact of " + choice.String()}
	}

	return pattern, ingredient{source: source, choice: choice, artifact: *artifact}, nil
}

func ofPattern(pattern compose.Directories, err error) error {
	return fmt.Errorf("the source @%s of spec.pathPattern: %w", pattern.Alias, err)
}

// expand returns what the templates of a generator stand for, and reads the directories when that is not known. Those
// who ask meanwhile wait for the same reading.
func (c *Catalog) expand(ctx context.Context, generator *v1beta1.ArtifactGenerator) (*expansion, error) {
	pattern, part, err := c.patternOf(ctx, generator)
	if err != nil {
		return nil, err
	}

	wanted := &expansion{templates: templatesOf(generator)}
	wanted.input = wanted.inputOf(part)
	if known := c.expanded(generator); known != nil && known.input == wanted.input {
		return known, nil
	}

	key := fetchKey{Holder: holderOf(generator), digest: wanted.input}
	_, err = c.once(ctx, key, func(ctx context.Context) (string, error) {
		return "", c.readDirectories(ctx, generator, pattern, part, wanted)
	})
	if err != nil {
		return nil, err
	}
	if known := c.expanded(generator); known != nil && known.input == wanted.input {
		return known, nil
	}

	return nil, &pending{what: "the directories of " + part.choice.String() + " have changed meanwhile"}
}

// readDirectories fills an expansion and keeps it.
func (c *Catalog) readDirectories(
	ctx context.Context, generator *v1beta1.ArtifactGenerator, pattern compose.Directories, part ingredient,
	into *expansion,
) error {
	// What has to be fetched again is fetched before the turn of the namespace: it may be composed itself.
	open, err := c.fetchPart(ctx, pattern.Alias, part)
	if err != nil {
		return err
	}

	var directories []compose.Directory
	err = c.compositions.Do(ctx, generator.Namespace, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, generator.GetTimeout())
		defer cancel()
		directories, err = pattern.Find(ctx, open, compose.Limits{})
		return err
	})
	if err != nil {
		return err
	}

	into.outputs, into.problem = pattern.Expand(generator.Spec.OutputArtifacts, directories)
	into.places = make(map[string]int, len(into.outputs))
	for i, output := range into.outputs {
		into.places[output.Name] = i
	}

	c.mu.Lock()
	c.expansions[generatorKey(generator)] = into
	c.mu.Unlock()
	return nil
}

// expandedRecipe finds the rules of an artifact of a generator with a pattern.
func (c *Catalog) expandedRecipe(
	ctx context.Context, object *v1beta1.ExternalArtifact, generator *v1beta1.ArtifactGenerator,
) (recipe, error) {
	aliases, err := c.admitSources(generator)
	if err != nil {
		return recipe{}, err
	}

	pattern, err := admitPattern(generator, aliases)
	if err != nil {
		return recipe{}, err
	}

	found, err := c.expand(ctx, generator)
	if err != nil {
		return recipe{}, err
	}

	place, is := found.places[object.Name]
	switch {
	case is:
	case found.problem != nil:
		return recipe{}, fmt.Errorf("ArtifactGenerator %s/%s: %w", generator.Namespace, generator.Name, found.problem)
	case metav1.IsControlledBy(object, generator):
		return recipe{}, &pending{what: "its directory is gone; the ArtifactGenerator deletes it"}
	default:
		return recipe{}, undeclared(object, generator)
	}

	output := found.outputs[place]
	if err := admitTemplate(pattern, generator.Spec.OutputArtifacts[output.Template], aliases); err != nil {
		return recipe{}, err
	}

	return recipeAt(generator, pattern, output)
}

// recipeAt is what a generator says about the artifact of a template.
func recipeAt(
	generator *v1beta1.ArtifactGenerator, pattern compose.Directories, output compose.Expanded,
) (recipe, error) {
	template := generator.Spec.OutputArtifacts[output.Template]
	artifact, err := output.Directory.Render(template)
	if err != nil {
		return recipe{}, err
	}

	r := newRecipe(generator, artifact, rulesFor(rulesOf(generator, template), output))
	r.pattern = pattern.Alias
	return r, nil
}

// madeOfDirectories lists the ExternalArtifacts that one of a generator with a pattern is made of, as far as that is
// known.
func (c *Catalog) madeOfDirectories(generator *v1beta1.ArtifactGenerator, name string) []ChartRef {
	pattern, err := compose.ParseDirectories(generator.Spec.PathPattern)
	found := c.expanded(generator)
	if err != nil || found == nil {
		return nil // it makes nothing, or nothing yet
	}

	place, is := found.places[name]
	if !is {
		return nil
	}

	r, err := recipeAt(generator, pattern, found.outputs[place])
	if err != nil {
		return nil // it makes nothing
	}

	return r.artifacts()
}

// noPatternCycle refuses a generator whose artifacts decide, by way of others, about the directories that they are made
// for. All that a generator on the way names counts: which of its artifacts are made of it may not be known yet.
func (c *Catalog) noPatternCycle(ctx context.Context, generator *v1beta1.ArtifactGenerator, source ChartRef) error {
	seen := map[ChartRef]bool{source: true}
	next := []ChartRef{source}
	for depth := 0; len(next) > 0; depth++ {
		var further []ChartRef
		for _, key := range next {
			if key.Kind != v1beta1.ExternalArtifactKind {
				continue
			}

			maker, err := c.makerOf(ctx, key)
			if err != nil {
				continue // it is reported as a source that does not exist, or is not made
			}
			if generatorKey(maker) == generatorKey(generator) || depth >= maxChain {
				return sources.Fail(v1beta1.DependencyCycleReason, nil,
					"spec.pathPattern: the directories of %s depend on the artifacts of the ArtifactGenerator itself, or on "+
						"a chain of more than %d ExternalArtifacts, by way of %s", source, maxChain, key)
			}

			for _, ref := range maker.Spec.Sources {
				if choice := choiceOfSource(maker, ref); !seen[choice] {
					seen[choice] = true
					further = append(further, choice)
				}
			}
		}
		next = further
	}
	return nil
}

// makerOf reads the generator of an ExternalArtifact.
func (c *Catalog) makerOf(ctx context.Context, key ChartRef) (*v1beta1.ArtifactGenerator, error) {
	source, err := c.read(ctx, key)
	if err != nil {
		return nil, err
	}
	return c.generatorOf(ctx, source.(*v1beta1.ExternalArtifact))
}
