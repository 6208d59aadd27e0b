package main

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/helmops/install"
)

// maxPreviewed is how many fields of one object a preview shows.
const maxPreviewed = 20

// previewInstallation prints what installing would change, and changes nothing.
func (a *app) previewInstallation(ctx context.Context, site *install.Site, options install.Options) error {
	p := &progress{w: a.err, width: a.width}
	p.show("comparing the manifests of Fairlead with the cluster")
	changes, err := site.Preview(ctx, options)
	p.clear()
	if err != nil {
		return fmt.Errorf("preview the installation of Fairlead: %w", err)
	}

	a.printPreview(changes)
	return nil
}

// previewBootstrap prints what a bootstrap would push and change, and does neither.
func (a *app) previewBootstrap(ctx context.Context, site *install.Site, f *bootstrapFlags) error {
	options := f.options()
	files, err := options.Files(ctx)
	if err != nil {
		return err
	}

	p := &progress{w: a.err, width: a.width}
	p.show("reading " + f.repository.URL)
	differ, err := f.repository.Differs(ctx, options.Sync.Dir(), files)
	p.clear()
	if err != nil {
		return err
	}

	if differ {
		fmt.Fprintf(a.out, "pushed to branch %s: %s (dry run)\n", f.repository.Branch, options.Sync.Dir())
	} else {
		fmt.Fprintf(a.out, "branch %s has the manifests already\n", f.repository.Branch)
	}

	if secret := options.Sync.Secret; secret != "" {
		fmt.Fprintf(a.out, "applied Secret %s/%s, which has the credentials (dry run)\n", install.Namespace, secret)
	}

	return a.previewInstallation(ctx, site, options)
}

func (a *app) printPreview(changes []install.Change) {
	for _, c := range changes {
		fmt.Fprintln(a.out, oneLine(string(c.Action)+" "+c.Object+" (dry run)"))
		for _, field := range c.Fields[:min(len(c.Fields), maxPreviewed)] {
			fmt.Fprintln(a.out, "  "+oneLine(field))
		}

		if more := len(c.Fields) - maxPreviewed; more > 0 {
			fmt.Fprintf(a.out, "  … and %s more\n", plural(more, "field"))
		}
	}

	if len(changes) == 0 {
		fmt.Fprintln(a.out, "everything is as it should be; nothing would be changed (dry run)")
	}
}
