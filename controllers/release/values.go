package release

import (
	"context"
	"errors"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/values"
)

// Composed are the values of a release.
type Composed struct {
	// Merged is what the chart is given.
	Merged map[string]any
	// Mask hides what came from Secrets.
	Mask redact.Mask
	// Layers are what Merged is made of, in the order of the spec.
	Layers []values.Layer
}

// Values composes the values of a release as the controller does, from what its spec names and has itself. Each
// ConfigMap, Secret and source is read with reader, and upstream is asked for the files of sources; what is fetched is
// removed again.
func Values(ctx context.Context, reader client.Reader, hr *v1beta1.HelmRelease) (_ Composed, err error) {
	from := documentsFrom(reader)
	if len(catalog.ChoicesOfValues(hr)) == 0 {
		return from.values(ctx, hr)
	}

	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return Composed{}, err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	resolver, err := catalog.NewValuesResolver(reader, dir)
	if err != nil {
		return Composed{}, err
	}

	defer func() { err = errors.Join(err, resolver.Close()) }()
	from.files = resolver.Values
	return from.values(ctx, hr)
}

// ValuesWith composes the values of a release as Values does. It asks files for the files of sources.
func ValuesWith(
	ctx context.Context, reader client.Reader,
	files func(context.Context, catalog.ChartRef) (catalog.ValuesFiles, error), hr *v1beta1.HelmRelease,
) (Composed, error) {
	from := documentsFrom(reader)
	from.files = files
	return from.values(ctx, hr)
}

func documentsFrom(reader client.Reader) valuesReader {
	return valuesReader{document: func(ctx context.Context, key refs.Document) (map[string][]byte, error) {
		return refs.Read(ctx, reader, key)
	}}
}

func (r valuesReader) values(ctx context.Context, hr *v1beta1.HelmRelease) (Composed, error) {
	layers, secrets, err := r.layers(ctx, hr)
	if err != nil {
		return Composed{}, err
	}

	merged, err := values.Merge(layers...)
	if err != nil {
		return Composed{}, refs.RetryableObstacle(v1beta1.ValuesErrorReason,
			"values: %s; the controller continues when that changes", err)
	}

	return Composed{Merged: merged, Mask: redact.NewMask(secrets...), Layers: layers}, nil
}

// origin names what sets the value at a path.
func (c Composed) origin(path []string) string { return values.Origin(c.Layers, path) }
