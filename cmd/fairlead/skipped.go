package main

import (
	"context"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/helmops/release"
)

// resolveChart asks upstream for the chart that a release takes: the newest of its range, or an older one while the
// release skips that.
func resolveChart(
	ctx context.Context, reader client.Reader, dir string, kubeVersion func(context.Context) (string, error),
	hr *v1beta1.HelmRelease,
) (catalog.FoundChart, error) {
	choice := catalog.ChoiceOfRelease(hr)
	if older := choice.Without(hr.Status.Skipped); older != choice {
		found, err := catalog.Resolve(ctx, reader, filepath.Join(dir, "older"), kubeVersion, older)
		if err == nil && release.TakesInstead(hr, found.ChartRevision) {
			return found, nil
		}
		if err == nil {
			_ = found.Archive.Close() // it was only read
		}
	}

	return resolveNewest(ctx, reader, dir, kubeVersion, hr)
}

// resolveNewest is resolveChart for a version that was asked for: the release does not skip it.
func resolveNewest(
	ctx context.Context, reader client.Reader, dir string, kubeVersion func(context.Context) (string, error),
	hr *v1beta1.HelmRelease,
) (catalog.FoundChart, error) {
	return catalog.Resolve(ctx, reader, filepath.Join(dir, "newest"), kubeVersion, catalog.ChoiceOfRelease(hr))
}

// heldNote says why a release does not take a chart for now; empty when it does.
func heldNote(hr *v1beta1.HelmRelease, chart v1beta1.ChartRevision) string {
	held := hr.Status.Held
	if held == nil || held.ChartDigest != chart.Digest {
		return ""
	}
	if held.Reason == v1beta1.HeldByWindow {
		return held.Message
	}
	return "the chart is not taken for now: " + held.Reason + ": " + held.Message
}
