package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/helmops/view"
)

// colourOfOutcome gives outcomes the colours of states.
var colourOfOutcome = map[install.Outcome]string{
	install.Passed: "Current", install.Warned: "InProgress", install.Failed: "Failed",
}

// checkIndent is where the messages of checks begin.
const checkIndent = "         "

func newCheckCommand(a *app) *cobra.Command {
	pre := false
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check whether Fairlead can be installed, and whether it can work",
		Long: `Check the cluster: its version, what you may do, and, unless --pre is given, the installation: whether the kinds are those that this
command knows, whether the controller is available, of which version it is, and whether it has its rights. Nothing is changed.

Exits with 0 when nothing failed, with 1 when something did, with 2 on an error. A warning is no failure.`,
		Example: `  fairlead check --pre
  fairlead check
  fairlead check -o json | jq -r '.items[] | select(.outcome == "failed") | .fix'`,
		Args: noArguments,
	}
	a.addConnectionFlags(cmd)
	cmd.Flags().BoolVar(&pre, "pre", false, "only what matters before an installation")
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.open()
		if err != nil {
			return err
		}

		checks, err := check(cmd.Context(), c, pre)
		if err != nil {
			return fmt.Errorf("check %s: %w", c.describe(), err)
		}

		return a.printChecks(checks, out)
	}
	return cmd
}

// check looks at the cluster; pre leaves out what matters after an installation only.
func check(ctx context.Context, c *connection, pre bool) ([]install.Check, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	site, err := c.site(ctx)
	if err != nil {
		return nil, err
	}

	before, err := site.Before(ctx)
	if err != nil || pre {
		return before, err
	}

	after, err := site.After(ctx, version)
	return append(before, after...), err
}

func (a *app) printChecks(checks []install.Check, out *output) error {
	failed := slices.ContainsFunc(checks, func(c install.Check) bool { return c.Outcome == install.Failed })
	if out.machine() {
		if err := out.write(a.out, view.List[install.Check]{Items: checks}); err != nil {
			return err
		}
	} else {
		for i, c := range checks {
			outcome := a.paint(colourOfOutcome[c.Outcome], fmt.Sprintf("%-7s", c.Outcome))
			fmt.Fprintln(a.out, hang(outcome+"  ", c.Name+": "+oneLine(c.Message), checkIndent, a.outWidth))
			repeated := i+1 < len(checks) && checks[i+1].Name == c.Name && checks[i+1].Fix == c.Fix
			if c.Fix != "" && !repeated {
				fmt.Fprintln(a.out, hang(checkIndent+"→ ", oneLine(c.Fix), checkIndent+"  ", a.outWidth))
			}
		}
	}

	if failed {
		return errNotReady
	}

	return nil
}
