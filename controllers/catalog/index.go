package catalog

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// choiceIndex is the field index that finds who made a choice of a source, and valuesIndex finds the releases that take
// values from files of it.
const (
	choiceIndex = "fairlead.choice"
	valuesIndex = "fairlead.valuesFiles"
)

// Index makes releases, pipelines and HelmCharts findable by their choice and by its source, and ArtifactGenerators by
// their sources. With ownNamespace, the choices of releases of other namespaces are left out.
func Index(ctx context.Context, indexer client.FieldIndexer, ownNamespace bool) error {
	byChoice := func(choice ChartRef) []string {
		if choice.Chart == "" && !choice.lists() {
			return []string{choice.String()}
		}
		return []string{choice.String(), choice.Source().String()}
	}
	err := indexer.IndexField(ctx, &v1beta1.HelmRelease{}, choiceIndex, func(o client.Object) []string {
		choice := ChoiceOfRelease(o.(*v1beta1.HelmRelease))
		if ownNamespace && choice.Namespace != o.GetNamespace() {
			return nil
		}

		keys := byChoice(choice)
		if older := choice.Without(o.(*v1beta1.HelmRelease).Status.Skipped); older != choice {
			keys = append(keys, older.String())
		}

		return keys
	})
	if err != nil {
		return err
	}
	if err := indexValues(ctx, indexer, ownNamespace); err != nil {
		return err
	}
	if err := indexGenerators(ctx, indexer, ownNamespace); err != nil {
		return err
	}

	err = indexer.IndexField(ctx, &v1beta1.ReleasePipeline{}, choiceIndex, func(o client.Object) []string {
		choice := ChoiceOfPipeline(o.(*v1beta1.ReleasePipeline))
		if choice == (ChartRef{}) {
			return nil
		}

		return byChoice(choice)
	})
	if err != nil {
		return err
	}

	return indexer.IndexField(ctx, &v1beta1.HelmChart{}, choiceIndex, func(o client.Object) []string {
		return byChoice(ChoiceOfChart(o.(*v1beta1.HelmChart)))
	})
}

// ChoicesOf lists what is asked of a source, each choice once.
func ChoicesOf(reader client.Reader) func(context.Context, ChartRef) ([]ChartRef, error) {
	return func(ctx context.Context, source ChartRef) ([]ChartRef, error) {
		match := client.MatchingFields{choiceIndex: source.String()}
		releases := &v1beta1.HelmReleaseList{}
		charts := &v1beta1.HelmChartList{}
		if err := reader.List(ctx, releases, match, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the releases of %s: %w", source, err)
		}
		if err := reader.List(ctx, charts, match, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the HelmCharts of %s: %w", source, err)
		}

		pipelines := &v1beta1.ReleasePipelineList{}
		if err := reader.List(ctx, pipelines, match, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing the pipelines of %s: %w", source, err)
		}

		seen := map[ChartRef]bool{}
		var choices []ChartRef
		add := func(choice ChartRef) {
			if !seen[choice] {
				seen[choice] = true
				choices = append(choices, choice)
			}
		}
		for i := range releases.Items {
			choice := ChoiceOfRelease(&releases.Items[i])
			add(choice)
			add(choice.Without(releases.Items[i].Status.Skipped))
		}

		values, err := valuesAsked(ctx, reader, source)
		if err != nil {
			return nil, err
		}

		for _, choice := range values {
			add(choice)
		}

		for i := range pipelines.Items {
			add(ChoiceOfPipeline(&pipelines.Items[i]))
		}

		for i := range charts.Items {
			add(ChoiceOfChart(&charts.Items[i]))
		}

		return choices, nil
	}
}

// ReleasesOf lists the releases that made a choice, or any of a source.
func ReleasesOf(ctx context.Context, reader client.Reader, choice ChartRef) []types.NamespacedName {
	return keysOf(ctx, reader, &v1beta1.HelmReleaseList{}, choice)
}

// ChartsOf lists the HelmCharts that made a choice, or any of a source.
func ChartsOf(ctx context.Context, reader client.Reader, choice ChartRef) []types.NamespacedName {
	return keysOf(ctx, reader, &v1beta1.HelmChartList{}, choice)
}

// PacesOf returns the shortest spec.chart.spec.interval of the releases that ask a source for a chart, zero when none
// has one.
func PacesOf(reader client.Reader) func(context.Context, ChartRef) time.Duration {
	return func(ctx context.Context, source ChartRef) time.Duration {
		releases := &v1beta1.HelmReleaseList{}
		asking := client.MatchingFields{choiceIndex: source.String()}
		if err := reader.List(ctx, releases, asking, client.UnsafeDisableDeepCopy); err != nil {
			return 0 // the cache answers; it fails only while the process stops
		}

		var shortest time.Duration
		for i := range releases.Items {
			if pace := releases.Items[i].GetChartInterval(); pace > 0 && (shortest == 0 || pace < shortest) {
				shortest = pace
			}
		}

		return shortest
	}
}

// PipelinesOf lists the pipelines that made a choice, or any of a source.
func PipelinesOf(ctx context.Context, reader client.Reader, choice ChartRef) []types.NamespacedName {
	return keysOf(ctx, reader, &v1beta1.ReleasePipelineList{}, choice)
}

// keysOf lists the objects of a kind that made a choice, or any of a source.
func keysOf(ctx context.Context, reader client.Reader, list client.ObjectList, choice ChartRef) []types.NamespacedName {
	match := client.MatchingFields{choiceIndex: choice.String()}
	if err := reader.List(ctx, list, match, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	keys := make([]types.NamespacedName, 0, meta.LenList(list))
	_ = meta.EachListItem(list, func(object runtime.Object) error { // no call returns an error
		keys = append(keys, client.ObjectKeyFromObject(object.(client.Object)))
		return nil
	})
	return keys
}
