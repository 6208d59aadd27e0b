package main

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
)

// diffVersion compares what is deployed with another version of the chart and the values that are wanted now.
func (a *app) diffVersion(
	ctx context.Context, c *connection, hr *v1beta1.HelmRelease, version string, out *output,
) error {
	reader, would, err := catalog.AtVersion(ctx, callerReader{c.client}, hr, version)
	if err != nil {
		return fmt.Errorf("compare release %s/%s with version %q: %w", hr.Namespace, hr.Name, version, err)
	}

	from := wantedSource{release: would, reader: reader, versionGiven: true}
	return withWantedRelease(ctx, c, from, func(ctx context.Context, look inspector, w *wantedRelease) error {
		w.label = fmt.Sprintf("%s %s and the wanted values", w.in.Chart.Name, w.in.Chart.Version)
		return a.comparePending(ctx, look, w, out)
	})
}
