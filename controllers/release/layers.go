package release

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/values"
)

// documentsOf names the ConfigMaps and Secrets that a release names.
func documentsOf(hr *v1beta1.HelmRelease) []refs.Document {
	keys := make([]refs.Document, 0, len(hr.Spec.ValuesFrom)+2)
	for _, reference := range hr.Spec.ValuesFrom {
		if reference.IsSource() {
			continue
		}

		at := types.NamespacedName{Namespace: hr.Namespace, Name: reference.Name}
		keys = append(keys, refs.Document{Kind: reference.Kind, NamespacedName: at})
	}
	if secret := hr.Spec.KubeConfig.GetSecret(); secret.Name != "" {
		keys = append(keys, refs.Document{Kind: "Secret", NamespacedName: types.NamespacedName{Namespace: hr.Namespace, Name: secret.Name}})
	}

	if name := hr.Spec.KubeConfig.GetConfigMap(); name != "" {
		at := types.NamespacedName{Namespace: hr.Namespace, Name: name}
		keys = append(keys, refs.Document{Kind: "ConfigMap", NamespacedName: at})
	}

	return keys
}

// readDocument returns the content of a ConfigMap or Secret, by key.
type readDocument func(ctx context.Context, key refs.Document) (map[string][]byte, error)

// readFiles returns the values files of a source.
type readFiles func(ctx context.Context, choice catalog.ChartRef) (catalog.ValuesFiles, error)

// valuesReader reads what spec.valuesFrom names.
type valuesReader struct {
	document readDocument
	files    readFiles
}

// layers reads the values of the release: those it refers to, in order, then its own. What comes from Secrets is returned
// once more, to be masked.
func (r valuesReader) layers(ctx context.Context, hr *v1beta1.HelmRelease) ([]values.Layer, []any, error) {
	var layers []values.Layer
	var secrets []any
	for _, reference := range hr.Spec.ValuesFrom {
		found, err := r.referred(ctx, hr, reference)
		if err != nil {
			return nil, nil, err
		}

		for _, layer := range found {
			layers = append(layers, layer)
			if layer.Secret {
				secrets = append(secrets, layer.Secrets()...)
			}
		}
	}

	if hr.Spec.Values != nil {
		layers = append(layers, values.Layer{Origin: "spec.values", Data: hr.Spec.Values.Raw})
	}

	return layers, secrets, nil
}

// referred reads what one entry of spec.valuesFrom names; none when it is optional and does not exist.
func (r valuesReader) referred(
	ctx context.Context, hr *v1beta1.HelmRelease, reference v1beta1.ValuesReference,
) ([]values.Layer, error) {
	if reference.IsSource() {
		return r.files.layers(ctx, hr, reference)
	}

	layer, err := r.document.layer(ctx, hr.Namespace, reference)
	if err != nil || layer == nil {
		return nil, err
	}

	return []values.Layer{*layer}, nil
}

// layers reads the files of a source, one layer for each; none when they are optional and do not exist.
func (read readFiles) layers(
	ctx context.Context, hr *v1beta1.HelmRelease, reference v1beta1.ValuesReference,
) ([]values.Layer, error) {
	choice := catalog.ChoiceOfValues(hr, reference)
	found, err := read(ctx, choice)
	switch {
	case catalog.IsAbsent(err) && reference.Optional:
		return nil, nil
	case err != nil:
		return nil, filesObstacle(err)
	}

	layers := make([]values.Layer, 0, len(found.Files))
	for _, file := range found.Files {
		origin := fmt.Sprintf("%s %s at %s", choice.Source(), file.Path, found.Revision)
		layers = append(layers, values.Layer{Origin: origin, Data: file.Data})
	}

	return layers, nil
}

// filesObstacle words why there are no values files. An answer that is still being looked for is no obstacle.
func filesObstacle(err error) error {
	obstacle := chartObstacle(err)
	var known *refs.ObstacleError
	if !errors.As(obstacle, &known) {
		return obstacle
	}

	if known.Final { // spec.valuesFrom itself is wrong
		return refs.TerminalObstacle(known.Reason, "spec.valuesFrom: %s", known.Message)
	}

	return refs.RetryableObstacle(v1beta1.ValuesErrorReason, "spec.valuesFrom: %s", known.Message)
}

// layer reads one ConfigMap or Secret; nil when it is optional and does not exist.
func (read readDocument) layer(ctx context.Context, namespace string, reference v1beta1.ValuesReference) (*values.Layer, error) {
	name := client.ObjectKey{Namespace: namespace, Name: reference.Name}
	all, err := read(ctx, refs.Document{Kind: reference.Kind, NamespacedName: name})
	switch {
	case apierrors.IsNotFound(err) && reference.Optional:
		return nil, nil
	case apierrors.IsNotFound(err):
		return nil, refs.RetryableObstacle(v1beta1.ValuesErrorReason,
			"%s %s of spec.valuesFrom does not exist; the controller continues when it is created",
			reference.Kind, name)
	case apierrors.IsForbidden(err):
		return nil, refs.RetryableObstacle(v1beta1.AccessDeniedReason, "Fairlead may not read %s %s of spec.valuesFrom", reference.Kind, name)
	case err != nil:
		return nil, fmt.Errorf("spec.valuesFrom: %w", err)
	}

	data, ok := all[reference.GetValuesKey()]
	if !ok {
		return nil, refs.RetryableObstacle(v1beta1.ValuesErrorReason,
			"%s %s of spec.valuesFrom has no key %q, %s; the controller continues when it has",
			reference.Kind, name, reference.GetValuesKey(), refs.Listed(all))
	}

	if !utf8.Valid(data) {
		return nil, refs.RetryableObstacle(v1beta1.ValuesErrorReason,
			"key %q of %s %s of spec.valuesFrom is binary; values are UTF-8 text; the release waits until the key changes",
			reference.GetValuesKey(), reference.Kind, name)
	}

	return &values.Layer{
		Origin: fmt.Sprintf("%s %s, key %s,", reference.Kind, name, reference.GetValuesKey()), Data: data,
		TargetPath: reference.TargetPath, Literal: reference.Literal, Secret: reference.Kind == "Secret",
	}, nil
}
