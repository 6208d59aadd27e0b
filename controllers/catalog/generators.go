package catalog

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// generatorIndex is the field index that finds the ArtifactGenerators that copy from a source.
const generatorIndex = "fairlead.artifactSource"

// ComposableKinds are the kinds of sources that artifacts can be made of.
var ComposableKinds = []string{
	v1beta1.BucketKind, v1beta1.ExternalArtifactKind, v1beta1.GitRepositoryKind, v1beta1.HelmChartKind,
	v1beta1.OCIRepositoryKind,
}

// indexGenerators makes ArtifactGenerators findable by their sources. With ownNamespace, sources in other namespaces
// are left out.
func indexGenerators(ctx context.Context, indexer client.FieldIndexer, ownNamespace bool) error {
	return indexer.IndexField(ctx, &v1beta1.ArtifactGenerator{}, generatorIndex, func(o client.Object) []string {
		generator := o.(*v1beta1.ArtifactGenerator)
		var keys []string
		for _, ref := range generator.Spec.Sources {
			if choice := choiceOfSource(generator, ref); !ownNamespace || choice.Namespace == generator.Namespace {
				keys = append(keys, choice.String())
			}
		}

		return keys
	})
}

func choiceOfSource(generator *v1beta1.ArtifactGenerator, ref v1beta1.ArtifactSourceReference) ChartRef {
	key := ref.GetKey(generator.Namespace)
	return ChartRef{Kind: ref.Kind, Namespace: key.Namespace, Name: key.Name}
}

// ArtifactsOf lists the ExternalArtifacts that are made of files of a source, or for directories of it.
func ArtifactsOf(ctx context.Context, reader client.Reader, source ChartRef) []types.NamespacedName {
	generators := usersOf(ctx, reader, source)
	keys := make([]types.NamespacedName, 0, len(generators))
	for _, generator := range generators {
		keys = append(keys, madeFrom(ctx, reader, generator, source)...)
	}
	return keys
}

// usersOf lists the generators that copy from a source. They are those of the cache, not to be changed.
func usersOf(ctx context.Context, reader client.Reader, source ChartRef) []*v1beta1.ArtifactGenerator {
	list := &v1beta1.ArtifactGeneratorList{}
	match := client.MatchingFields{generatorIndex: source.String()}
	if err := reader.List(ctx, list, match, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	found := make([]*v1beta1.ArtifactGenerator, 0, len(list.Items))
	for i := range list.Items {
		found = append(found, &list.Items[i])
	}

	return found
}

// PatternsOf lists the generators that make artifacts for directories of a source.
func PatternsOf(ctx context.Context, reader client.Reader, source ChartRef) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, generator := range usersOf(ctx, reader, source) {
		if choiceOfPattern(generator) == source {
			keys = append(keys, generatorKey(generator))
		}
	}
	return keys
}

// choiceOfPattern is the source that pathPattern of a generator names; zero for none.
func choiceOfPattern(generator *v1beta1.ArtifactGenerator) ChartRef {
	alias := generator.PatternAlias()
	for _, ref := range generator.Spec.Sources {
		if alias != "" && ref.Alias == alias {
			return choiceOfSource(generator, ref)
		}
	}
	return ChartRef{}
}

// DeclaredBy lists the ExternalArtifacts that a generator declares. With a pathPattern, they are those that there are:
// the others are made later.
func DeclaredBy(
	ctx context.Context, reader client.Reader, generator *v1beta1.ArtifactGenerator,
) []types.NamespacedName {
	var keys []types.NamespacedName
	if generator.Spec.PathPattern == "" {
		for _, output := range generator.Spec.OutputArtifacts {
			keys = append(keys, types.NamespacedName{Namespace: generator.Namespace, Name: output.Name})
		}
		return keys
	}

	list := &v1beta1.ExternalArtifactList{}
	err := reader.List(ctx, list, client.InNamespace(generator.Namespace), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	for i := range list.Items {
		if name, is := list.Items[i].GetGenerator(); is && name == generator.Name {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}

	return keys
}

// madeFrom lists the artifacts of a generator that a source decides about.
func madeFrom(
	ctx context.Context, reader client.Reader, generator *v1beta1.ArtifactGenerator, source ChartRef,
) []types.NamespacedName {
	aliases := map[string]bool{}
	for _, ref := range generator.Spec.Sources {
		if choiceOfSource(generator, ref) == source {
			aliases[ref.Alias] = true
		}
	}

	uses := func(output v1beta1.OutputArtifact) bool {
		return slices.ContainsFunc(output.Aliases(), func(alias string) bool { return aliases[alias] })
	}
	if generator.Spec.PathPattern != "" {
		if aliases[generator.PatternAlias()] || slices.ContainsFunc(generator.Spec.OutputArtifacts, uses) {
			return DeclaredBy(ctx, reader, generator)
		}
		return nil
	}

	var keys []types.NamespacedName
	for _, output := range generator.Spec.OutputArtifacts {
		if uses(output) {
			keys = append(keys, types.NamespacedName{Namespace: generator.Namespace, Name: output.Name})
		}
	}

	return keys
}
