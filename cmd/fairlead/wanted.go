package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	controllers "fairlead.dev/fairlead/controllers/release"
	"fairlead.dev/fairlead/helmops/chart"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/release"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/helmops/view"
)

// wantedSource is what a release is wanted to be, and where its chart and values are read.
type wantedSource struct {
	release *v1beta1.HelmRelease
	// reader reads what the release names, nil for the cluster with the rights of the caller.
	reader client.Reader
	// mask hides secrets in the release itself. takesSecrets is set when its values, or those of stored revisions, may
	// come from Secrets that spec.valuesFrom does not name.
	mask         redact.Mask
	takesSecrets bool
	// versionGiven is set when the version of the chart is not that of the release, which then skips none.
	versionGiven bool
}

// wantedRelease is what a release is made of: as it is wanted now, or as it would be with another version or commit.
type wantedRelease struct {
	release *v1beta1.HelmRelease
	in      release.Inputs
	action  engine.Action
	layers  []values.Layer
	fetched fetchedChart
	// label names what is compared, empty for what is wanted now.
	label        string
	takesSecrets bool
}

// useRelease looks at what a release is made of.
type useRelease func(ctx context.Context, look inspector, w *wantedRelease) error

// withWantedRelease resolves the chart and the values of a release, and uses them while the engine and the chart are
// there.
func withWantedRelease(ctx context.Context, c *connection, from wantedSource, use useRelease) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	if from.reader == nil {
		from.reader = callerReader{c.client}
	}

	w, err := from.resolve(ctx, c.kubeVersion)
	if err != nil {
		return fmt.Errorf("find out what release %s/%s wants: %w", from.release.Namespace, from.release.Name, err)
	}

	return use(ctx, look, w)
}

// resolve resolves the chart and the values.
func (from wantedSource) resolve(
	ctx context.Context, kubeVersion func(context.Context) (string, error),
) (*wantedRelease, error) {
	hr := from.release
	composed, err := controllers.Values(ctx, from.reader, hr)
	if err != nil {
		return nil, masked(err, from.mask)
	}

	w := &wantedRelease{
		release: hr, layers: composed.Layers, takesSecrets: from.takesSecrets || view.TakesSecretValues(hr),
	}
	w.in.Values = composed.Merged
	w.in.Mask = composed.Mask.Join(from.mask)
	find := resolveChart
	if from.versionGiven {
		find = resolveNewest
	}

	w.fetched, err = loadChart(ctx, find, from.reader, kubeVersion, hr)
	w.in.Chart = w.fetched.revision
	w.action.Chart = w.fetched.Chart
	w.in.Note = heldNote(hr, w.in.Chart)
	return w, err
}

// findChart resolves the chart of a release and opens its archive; resolveChart and resolveNewest do.
type findChart func(
	ctx context.Context, reader client.Reader, dir string, kubeVersion func(context.Context) (string, error),
	hr *v1beta1.HelmRelease,
) (catalog.FoundChart, error)

// loadChart resolves the chart of a release, and loads it.
func loadChart(
	ctx context.Context, find findChart, reader client.Reader, kubeVersion func(context.Context) (string, error),
	hr *v1beta1.HelmRelease,
) (out fetchedChart, err error) {
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return out, err
	}

	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	found, err := find(ctx, reader, dir, kubeVersion, hr)
	if err != nil {
		return out, err
	}

	defer func() { err = errors.Join(err, found.Archive.Close()) }()
	out.revision = found.ChartRevision
	out.origin = found.Origin
	out.Chart, err = chart.Load(found.Archive, out.revision)
	return out, err
}

// maskOf hides the secrets of what is wanted, and of a former revision with these values: what came from Secrets then
// cannot be distinguished from other values.
func (w *wantedRelease) maskOf(former map[string]any) redact.Mask {
	if !w.takesSecrets {
		return w.in.Mask
	}
	return w.in.Mask.Join(redact.NewMask(values.Changed(former, w.in.Values)))
}

// valueDifferences compares the values of a former revision with those that the chart would be given.
func (w *wantedRelease) valueDifferences(former, would *engine.Content) []view.ValueDifference {
	return view.ValueDifferences(
		view.StoredValues(former.Values, w.in.Values, w.takesSecrets),
		view.WantedValues(would.Values, w.layers),
		view.SecretsMask(w.in.Mask, former, would).Apply,
	)
}

// masked returns an error without secrets; what else is known of it is kept when it has none.
func masked(err error, mask redact.Mask) error {
	if text := mask.Apply(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
