package catalog

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// replacing changes one object after it was read, to find out what another spec of a source would give. Nothing is
// written.
type replacing struct {
	client.Reader
	key    types.NamespacedName
	change func(client.Object)
}

// Get implements client.Reader.
func (r replacing) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	err := r.Reader.Get(ctx, key, object, options...)
	if err == nil && key == r.key {
		r.change(object)
	}
	return err
}

// AtVersion returns the release as if it asked for another version, or range of versions, of its chart, and a reader
// that returns its source as if that did. The error says why the source has only one version.
func AtVersion(
	ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease, version string,
) (client.Reader, *v1beta1.HelmRelease, error) {
	choice := ChoiceOfRelease(hr)
	out := hr.DeepCopy()
	out.Generation++ // an older version is then one that a user wants, not what is left of a range
	key := types.NamespacedName{Namespace: choice.Namespace, Name: choice.Name}
	switch choice.Kind {
	case v1beta1.HelmRepositoryKind:
		out.Spec.Chart.Spec.Version = version
		return reader, out, nil
	case v1beta1.OCIRepositoryKind:
		return replacing{reader, key, ofOCIRepository(version)}, out, nil
	case v1beta1.HelmChartKind:
		chart := &v1beta1.HelmChart{}
		if err := reader.Get(ctx, key, chart); err != nil {
			return nil, nil, fmt.Errorf("read HelmChart %s: %w", key, err)
		}
		if source := ChoiceOfChart(chart); v1beta1.HoldsDirectories(source.Kind) {
			return nil, nil, oneVersion(source)
		}

		return replacing{reader, key, ofHelmChart(version)}, out, nil
	}

	return nil, nil, oneVersion(choice)
}

// oneVersion says why a directory cannot be compared with another version of it.
func oneVersion(choice ChartRef) error {
	if choice.Kind == v1beta1.ExternalArtifactKind {
		return fmt.Errorf("the chart is made of files by %s, which has one version of it; change the files and compare with "+
			"--pending", choice.Source())
	}

	instead := "change the files and compare with --pending"
	if choice.Kind == v1beta1.GitRepositoryKind {
		instead = "compare with another branch, tag or commit by --to-git REF"
	}
	return fmt.Errorf("the chart is the directory %s of %s, which has one version of it; %s",
		choice.Chart, choice.Source(), instead)
}

func ofOCIRepository(version string) func(client.Object) {
	return func(object client.Object) {
		repository, ok := object.(*v1beta1.OCIRepository)
		if !ok {
			return
		}

		filter := ""
		if ref := repository.Spec.Reference; ref != nil {
			filter = ref.SemverFilter
		}

		repository.Spec.Reference = &v1beta1.OCIRepositoryRef{SemVer: version, SemverFilter: filter}
		repository.Status = v1beta1.OCIRepositoryStatus{}
	}
}

func ofHelmChart(version string) func(client.Object) {
	return func(object client.Object) {
		chart, ok := object.(*v1beta1.HelmChart)
		if !ok {
			return
		}

		chart.Spec.Version = version
		chart.Spec.Digest = ""
		chart.Spec.Origin = ""
		chart.Status = v1beta1.HelmChartStatus{}
	}
}
