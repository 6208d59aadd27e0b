package release

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/referent"
	"fairlead.dev/fairlead/helmops/values"
)

// Values composes the values of a release as the controller does, from what its spec names and has itself, and returns the mask
// that hides what came from Secrets. Each ConfigMap and Secret is read with reader.
func Values(ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease) (map[string]any, values.Mask, error) {
	read := readDocument(func(ctx context.Context, key referent.Document) (map[string][]byte, error) {
		return referent.Read(ctx, reader, key)
	})
	found, err := read.values(ctx, hr)
	return found.merged, found.mask, err
}

// composed are the values of a release.
type composed struct {
	merged map[string]any
	// mask hides what came from Secrets.
	mask values.Mask
	// origin names what sets the value at a path.
	origin func(path []string) string
}

func (read readDocument) values(ctx context.Context, hr *v1beta1.HelmRelease) (composed, error) {
	layers, secrets, err := read.layers(ctx, hr)
	if err != nil {
		return composed{}, err
	}
	merged, err := values.Merge(layers...)
	if err != nil {
		return composed{}, referent.Hindered(v1beta1.ValuesErrorReason,
			"values: %s; the controller continues when that changes", err)
	}
	origin := func(path []string) string { return values.Origin(layers, path) }
	return composed{merged: merged, mask: values.NewMask(secrets...), origin: origin}, nil
}
