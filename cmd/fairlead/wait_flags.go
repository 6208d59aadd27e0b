package main

import (
	"time"

	"github.com/spf13/cobra"
)

// defaultTimeout is how long a command may take in all when nothing else is asked for.
const defaultTimeout = 5 * time.Minute

// waitFlags say whether a command follows what it has asked for, and how long the command may take in all. They mean the
// same in every command: it returns when the request is made, and only with --wait when the controller has carried it
// out.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func addWaitFlags(cmd *cobra.Command, what string) *waitFlags {
	w := &waitFlags{}
	w.add(cmd, what)
	return w
}

func (w *waitFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, what)
	cmd.Flags().DurationVar(&w.timeout, "timeout", defaultTimeout, timeoutHelp)
}

const timeoutHelp = "how long the command may take in all"

// addFormerNoWait adds the hidden flag of a command that formerly waited unless it was given. A note goes to standard
// error.
func (a *app) addFormerNoWait(cmd *cobra.Command) {
	given := cmd.Flags().Bool("no-wait", false, "do not wait, as without it")
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.Flags().MarkHidden("no-wait")
	previous := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if *given {
			a.note("--no-wait is deprecated: the command does not wait without --wait")
		}
		if previous != nil {
			return previous(cmd, args)
		}

		return nil
	}
}

// addTimeoutFlag adds --timeout to a command that always waits.
func addTimeoutFlag(cmd *cobra.Command) *time.Duration {
	return cmd.Flags().Duration("timeout", defaultTimeout, timeoutHelp)
}

func (w *waitFlags) check(cmd *cobra.Command) error { return checkTimeout(cmd, w.timeout) }

func checkTimeout(cmd *cobra.Command, timeout time.Duration) error {
	if timeout <= 0 {
		return usagef(cmd, "--timeout %s: write a time above 0, for example 5m", timeout)
	}
	return nil
}
