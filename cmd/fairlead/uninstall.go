package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/helmops/install"
)

func newUninstallCommand(a *app) *cobra.Command {
	var yes, releases bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "uninstall --yes",
		Short: "Remove Fairlead from the cluster; releases stay",
		Long: `Remove Fairlead: the controller, its CRDs with all their objects, its rights, and its namespace when nothing else
is in it.

Helm releases and what Kustomizations have applied stay as they are, and the helm command can manage the releases.
With --releases the controller removes these first: it deletes the Kustomizations with what they have applied, as each
of them says, and then uninstalls all HelmReleases. The controller has to run for that.

The command stops the controller, then removes the finalizers, then the CRDs: no object is left waiting for
a controller that is gone. A removal that was interrupted can be repeated.`,
		Example: `  fairlead uninstall --yes
  fairlead uninstall --yes --releases --timeout 15m`,
		Args: noArguments,
	}
	a.addConnectionFlags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm the removal; required")
	cmd.Flags().BoolVar(&releases, "releases", false, "uninstall all releases, too, and delete what Kustomizations have applied")
	cmd.Flags().DurationVar(&timeout, "timeout", defaultTimeout, timeoutHelp)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !yes {
			return usagef(cmd, "this removes Fairlead and all of its objects from the cluster; confirm with --yes")
		}
		if timeout <= 0 {
			return usagef(cmd, "--timeout %s: write a time above 0, for example 5m", timeout)
		}

		ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("it took longer than %s (--timeout)", timeout))
		defer cancel()
		return a.uninstall(ctx, releases)
	}
	return cmd
}

func (a *app) uninstall(ctx context.Context, releases bool) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	site, err := c.site(ctx)
	if err != nil {
		return err
	}

	p := &progress{w: a.err, width: a.width}
	left, err := site.Remove(ctx, install.Removal{Releases: releases, Progress: p.show})
	p.clear()
	switch {
	case errors.Is(err, install.ErrNotInstalled):
		a.say("%s (%s); nothing was removed", err, c.describe())
		return nil
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; repeat it to remove what is left")
	case err != nil:
		return fmt.Errorf("remove Fairlead: %w", err)
	}

	for _, what := range left {
		fmt.Fprintln(a.out, oneLine("left: "+what))
	}

	if releases {
		fmt.Fprintln(a.out, "Fairlead and its releases are gone")
	} else {
		fmt.Fprintln(a.out, "Fairlead is gone; its Helm releases stay (helm ls -A)")
	}

	return nil
}
