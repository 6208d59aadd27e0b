package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"

	"fairlead.dev/fairlead/helmops/install"
)

// siteOf connects to the cluster of the configuration, for installing.
func siteOf(config *rest.Config) func(context.Context) (*install.Site, error) {
	return func(ctx context.Context) (*install.Site, error) { return install.NewSite(ctx, config) }
}

// installFlags say what is installed.
type installFlags struct {
	image          string
	noClusterAdmin bool
	noTenantRoles  bool
	// noWarnings is set for a cluster that does not serve the policies that warn.
	noWarnings bool
	// dryRun prints what would be changed, and changes nothing.
	dryRun  bool
	tenancy installTenancy
	waitFlags
}

func (f *installFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.image, "image", "", "image of the controller, with a tag or a digest; required")
	cmd.Flags().BoolVar(&f.noClusterAdmin, "no-cluster-admin", false, "do not bind the controller to cluster-admin; releases then name ServiceAccounts")
	cmd.Flags().BoolVar(&f.noTenantRoles, "no-tenant-roles", false,
		"do not add the kinds of Fairlead to the roles view, edit and admin of Kubernetes")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "print what would be changed, and change nothing")
	f.tenancy.register(cmd.Flags())
}

func (f *installFlags) check(cmd *cobra.Command) error {
	if f.image == "" {
		return usagef(cmd, "--image is missing: the image of the controller, "+
			"for example registry.example.com/fairlead:v1 (make image builds one)")
	}
	if err := f.waitFlags.check(cmd); err != nil {
		return err
	}
	if err := f.tenancy.complete(cmd.Flags()); err != nil {
		return usagef(cmd, "%s", err)
	}
	if f.dryRun && f.wait {
		return usagef(cmd, "--wait waits for what is installed, and --dry-run installs nothing; leave out one of them")
	}

	return nil
}

func (f *installFlags) options() install.Options {
	return install.Options{
		Image: f.image, Version: version, NoClusterAdmin: f.noClusterAdmin, NoTenantRoles: f.noTenantRoles,
		NoWarnings: f.noWarnings, Tenancy: f.tenancy.options,
	}
}

func newInstallCommand(a *app) *cobra.Command {
	f := &installFlags{}
	export := false
	cmd := &cobra.Command{
		Use:   "install --image IMAGE",
		Short: "Install or upgrade Fairlead in the cluster",
		Long: `Install Fairlead in the namespace fairlead-system: its kinds, the controller and its rights. Installing a newer version over an
older one upgrades it; releases that run are not touched. Everything is tried on the API server before the first write, and
what is there as it is wanted is not written, so that a second run changes nothing.

With --tenancy strict, those who share the cluster are kept apart: the controller is not bound to cluster-admin, releases act as
ServiceAccounts of their own namespaces, and the API server refuses what would reach other namespaces. docs/security.md has the list.
A run without the flag goes back to shared.

A cluster that follows a repository gets its Fairlead from there: use "fairlead bootstrap git" again.

--dry-run prints which objects would be created, changed or deleted, with the fields that would change.

The command returns when everything is written. With --wait it exits with 0 when the controller is available, with 1 when it is
not in time, with 2 on an error.`,
		Example: `  fairlead install --image registry.example.com/fairlead:v1 --wait
  fairlead install --image registry.example.com/fairlead@sha256:DIGEST --no-cluster-admin
  fairlead install --image registry.example.com/fairlead:v1 --tenancy strict --allow-upstream-cidrs 10.96.12.7/32
  fairlead install --image registry.example.com/fairlead:v2 --dry-run
  fairlead install --image registry.example.com/fairlead:v1 --export > fairlead.yaml`,
		Args: noArguments,
	}
	a.addConnectionFlags(cmd)
	f.add(cmd)
	f.waitFlags.add(cmd, "wait until the controller is available")
	a.addFormerNoWait(cmd)
	cmd.Flags().BoolVar(&export, "export", false, "print the manifests and install nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(cmd); err != nil {
			return err
		}
		if export && f.dryRun {
			return usagef(cmd, "--export prints the manifests, --dry-run what they would change; leave out one of them")
		}
		if export {
			return exportManifests(cmd.Context(), a.out, f.options())
		}

		ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
		defer cancel()
		return a.install(ctx, f)
	}
	return cmd
}

func exportManifests(ctx context.Context, w io.Writer, o install.Options) error {
	files, err := o.Files(ctx)
	if err != nil {
		return err
	}

	for _, content := range files {
		if _, err := w.Write(content); err != nil {
			return err
		}
	}

	return nil
}

func (a *app) install(ctx context.Context, f *installFlags) error {
	c, err := a.open()
	if err != nil {
		return err
	}

	site, err := c.site(ctx)
	if err != nil {
		return err
	}

	found, err := site.Find(ctx)
	if err != nil {
		return fmt.Errorf("look for Fairlead in %s: %w", c.describe(), err)
	}
	if found.Follows != "" {
		return fmt.Errorf("this cluster follows %s, which would undo what is installed here; use \"fairlead bootstrap git\" with the new image", found.Follows)
	}

	if err := f.admitPolicies(site); err != nil {
		return err
	}
	if f.dryRun {
		return a.previewInstallation(ctx, site, f.options())
	}

	return a.applyInstallation(ctx, site, f)
}

// applyInstallation brings Fairlead into the cluster and waits for the controller.
func (a *app) applyInstallation(ctx context.Context, site *install.Site, f *installFlags) error {
	p := &progress{w: a.err, width: a.width}
	p.show("installing Fairlead in namespace " + install.Namespace)
	changes, err := site.Apply(ctx, f.options())
	p.clear()
	if err != nil {
		return fmt.Errorf("install Fairlead: %w", err)
	}

	a.printApplied(changes)
	if !f.wait {
		return nil
	}

	if err := site.AwaitController(ctx, p.show); err != nil {
		p.clear()
		if errors.Is(ctx.Err(), context.Canceled) {
			return errors.New("interrupted; what was installed stays")
		}

		fmt.Fprintln(a.out, oneLine(err.Error()))
		return errNotReady
	}

	p.clear()
	fmt.Fprintln(a.out, "the controller is available")
	return nil
}

func (a *app) printApplied(changes []install.Change) {
	if len(changes) == 0 {
		fmt.Fprintln(a.out, "everything is as it should be; nothing was changed")
	}

	for _, action := range []install.Action{install.Created, install.Changed, install.Deleted} {
		for _, c := range changes {
			if c.Action == action {
				fmt.Fprintln(a.out, oneLine(string(action)+" "+c.Object))
			}
		}
	}
}
