package release

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/source"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/helmops/values"
)

// obstacle is why nothing can be planned, in the words of a condition.
type obstacle struct {
	status.Failure
}

// Error implements error.
func (o *obstacle) Error() string { return o.Message }

func hindered(reason, format string, args ...any) error {
	return &obstacle{status.Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// gather finds what the release is made of: the exact chart and the values.
func (h *handler) gather(ctx context.Context, hr *v1beta1.HelmRelease) (release.Inputs, error) {
	chart, err := h.catalog.Chart(ctx, source.ChoiceOfRelease(hr))
	if err != nil {
		return release.Inputs{}, chartObstacle(err)
	}
	layers, secrets, err := h.layers(ctx, hr)
	if err != nil {
		return release.Inputs{}, err
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		return release.Inputs{}, hindered(v1beta1.ValuesErrorReason, "values: %s; work goes on when that changes", err)
	}
	return release.Inputs{Chart: chart, Values: merged, Mask: values.NewMask(secrets...)}, nil
}

// chartObstacle words why there is no chart. An answer that is still being looked for is no obstacle.
func chartObstacle(err error) error {
	if source.IsPending(err) {
		return err
	}
	failure := status.Failure{Reason: v1beta1.SourceNotReadyReason, Message: err.Error()}
	var known interface {
		Reason() string
		Retryable() bool
	}
	if errors.As(err, &known) {
		failure.Reason, failure.Final = known.Reason(), !known.Retryable()
	}
	return &obstacle{failure}
}

// layers reads the values of the release: those it refers to, in order, then its own. What comes from Secrets is returned
// once more, to be masked.
func (h *handler) layers(ctx context.Context, hr *v1beta1.HelmRelease) ([]values.Layer, []any, error) {
	var layers []values.Layer
	var secrets []any
	for _, reference := range hr.Spec.ValuesFrom {
		layer, err := h.layer(ctx, hr.Namespace, reference)
		if err != nil {
			return nil, nil, err
		}
		if layer == nil {
			continue
		}
		layers = append(layers, *layer)
		if reference.Kind == "Secret" {
			secrets = append(secrets, layer.Secrets()...)
		}
	}
	if hr.Spec.Values != nil {
		layers = append(layers, values.Layer{Origin: "spec.values", Data: hr.Spec.Values.Raw})
	}
	return layers, secrets, nil
}

// layer reads one ConfigMap or Secret; nil when it is optional and does not exist.
func (h *handler) layer(ctx context.Context, namespace string, reference v1beta1.ValuesReference) (*values.Layer, error) {
	name := types.NamespacedName{Namespace: namespace, Name: reference.Name}
	data, keys, err := h.read(ctx, name, reference)
	switch {
	case apierrors.IsNotFound(err) && reference.Optional:
		return nil, nil
	case apierrors.IsNotFound(err):
		return nil, hindered(v1beta1.ValuesErrorReason, "%s %s of spec.valuesFrom does not exist; work goes on when it is created",
			reference.Kind, name)
	case apierrors.IsForbidden(err):
		return nil, hindered(v1beta1.AccessDeniedReason, "Fairlead may not read %s %s of spec.valuesFrom", reference.Kind, name)
	case err != nil:
		return nil, fmt.Errorf("reading %s %s of spec.valuesFrom: %w", reference.Kind, name, err)
	}
	if data == nil {
		return nil, hindered(v1beta1.ValuesErrorReason, "%s %s of spec.valuesFrom has no key %q, %s; work goes on when it has",
			reference.Kind, name, reference.GetValuesKey(), listed(keys))
	}
	origin := fmt.Sprintf("%s %s, key %s,", reference.Kind, name, reference.GetValuesKey())
	return &values.Layer{Origin: origin, Data: data}, nil
}

// read returns the data of a key, nil when there is no such key, and the keys that there are.
func (h *handler) read(ctx context.Context, name types.NamespacedName, reference v1beta1.ValuesReference) ([]byte, []string, error) {
	all := map[string][]byte{}
	if reference.Kind == "Secret" {
		secret := &corev1.Secret{}
		if err := h.live.Get(ctx, name, secret); err != nil {
			return nil, nil, err
		}
		all = secret.Data
	} else {
		config := &corev1.ConfigMap{}
		if err := h.live.Get(ctx, name, config); err != nil {
			return nil, nil, err
		}
		for key, value := range config.Data {
			all[key] = []byte(value)
		}
	}
	data, ok := all[reference.GetValuesKey()]
	if ok && data == nil {
		data = []byte{}
	}
	return data, sortedKeys(all), nil
}

// dependencies checks that what the release depends on is ready.
func (h *handler) dependencies(ctx context.Context, hr *v1beta1.HelmRelease) error {
	if cycle := h.cycle(ctx, hr); cycle != "" {
		return &obstacle{status.Failure{Reason: v1beta1.DependencyCycleReason, Final: true,
			Message: "spec.dependsOn leads back to this object: " + cycle}}
	}
	for _, reference := range hr.Spec.DependsOn {
		key := dependencyKey(hr, reference)
		dependency := &v1beta1.HelmRelease{}
		err := h.objects.Get(ctx, key, dependency)
		switch {
		case apierrors.IsNotFound(err):
			return hindered(v1beta1.DependencyNotReadyReason, "HelmRelease %s of spec.dependsOn does not exist; work goes on when it is Ready", key)
		case err != nil:
			return fmt.Errorf("reading HelmRelease %s of spec.dependsOn: %w", key, err)
		case !status.IsReady(dependency):
			return hindered(v1beta1.DependencyNotReadyReason, "HelmRelease %s of spec.dependsOn is not Ready; work goes on when it is", key)
		}
	}
	return nil
}

// cycle follows the dependencies, depth first, and returns the way back to the object, empty when there is none.
func (h *handler) cycle(ctx context.Context, hr *v1beta1.HelmRelease) string {
	start := client.ObjectKeyFromObject(hr)
	seen := map[types.NamespacedName]bool{}
	var follow func(*v1beta1.HelmRelease) string
	follow = func(from *v1beta1.HelmRelease) string {
		for _, reference := range from.Spec.DependsOn {
			key := dependencyKey(from, reference)
			if key == start {
				return key.String()
			}
			next := &v1beta1.HelmRelease{}
			if seen[key] || h.objects.Get(ctx, key, next) != nil {
				continue
			}
			seen[key] = true
			if way := follow(next); way != "" {
				return key.String() + " → " + way
			}
		}
		return ""
	}
	if way := follow(hr); way != "" {
		return start.String() + " → " + way
	}
	return ""
}
