package main

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/view"
)

// addUninstall adds what data an uninstall would delete. It asks the cluster only for a release with objects that
// can hold some.
func (a *app) addUninstall(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, e *view.Explanation) error {
	if hr.Status.Inventory == nil || hr.Spec.KubeConfig != nil || !engine.HoldsData(hr.Status.Inventory.Entries) {
		return nil
	}

	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	found, err := look.Data(ctx, cluster.Access{}, view.Target(hr), hr.Status.Inventory.Entries)
	e.Uninstall = view.UninstallLines(found)
	return err
}

func keptLines(objects []v1beta1.KeptObject) []string {
	lines := make([]string, 0, len(objects))
	for _, o := range objects {
		lines = append(lines, fmt.Sprintf("%s, which %s", o, o.Reason))
	}
	return lines
}
