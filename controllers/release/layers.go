package release

import (
	"context"
	"fmt"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/values"
)

// documentsOf names the ConfigMaps and Secrets that a release names.
func documentsOf(hr *v1beta1.HelmRelease) []refs.Document {
	keys := make([]refs.Document, 0, len(hr.Spec.ValuesFrom)+2)
	for _, reference := range hr.Spec.ValuesFrom {
		keys = append(keys, refs.Document{Kind: reference.Kind, NamespacedName: types.NamespacedName{Namespace: hr.Namespace, Name: reference.Name}})
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

// layers reads the values of the release: those it refers to, in order, then its own. What comes from Secrets is returned
// once more, to be masked.
func (read readDocument) layers(ctx context.Context, hr *v1beta1.HelmRelease) ([]values.Layer, []any, error) {
	var layers []values.Layer
	var secrets []any
	for _, reference := range hr.Spec.ValuesFrom {
		layer, err := read.layer(ctx, hr.Namespace, reference)
		if err != nil {
			return nil, nil, err
		}
		if layer == nil {
			continue
		}

		layers = append(layers, *layer)
		if layer.Secret {
			secrets = append(secrets, layer.Secrets()...)
		}
	}

	if hr.Spec.Values != nil {
		layers = append(layers, values.Layer{Origin: "spec.values", Data: hr.Spec.Values.Raw})
	}

	return layers, secrets, nil
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
