package catalog

import (
	"context"

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

// ArtifactsOf lists the ExternalArtifacts that are made of files of a source.
func ArtifactsOf(ctx context.Context, reader client.Reader, source ChartRef) []types.NamespacedName {
	list := &v1beta1.ArtifactGeneratorList{}
	match := client.MatchingFields{generatorIndex: source.String()}
	if err := reader.List(ctx, list, match, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	var keys []types.NamespacedName
	for i := range list.Items {
		keys = append(keys, madeFrom(&list.Items[i], source)...)
	}

	return keys
}

// madeFrom lists the artifacts of a generator that a source decides about.
func madeFrom(generator *v1beta1.ArtifactGenerator, source ChartRef) []types.NamespacedName {
	aliases := map[string]bool{}
	for _, ref := range generator.Spec.Sources {
		if choiceOfSource(generator, ref) == source {
			aliases[ref.Alias] = true
		}
	}

	var keys []types.NamespacedName
	for _, output := range generator.Spec.OutputArtifacts {
		for _, alias := range output.Aliases() {
			if aliases[alias] {
				keys = append(keys, types.NamespacedName{Namespace: generator.Namespace, Name: output.Name})
				break
			}
		}
	}

	return keys
}
