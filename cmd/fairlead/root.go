package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes, the same for every command.
const (
	exitOK       = 0
	exitNotReady = 1
	exitError    = 2
)

// errNotReady ends a command with exitNotReady. Why is printed before it is returned.
var errNotReady = errors.New("not ready")

// environment is everything a command takes from outside, so that a test can put itself in its place.
type environment struct {
	in       io.Reader
	out, err io.Writer
	// width of the terminal behind err when its last line can be rewritten, else 0.
	width int
	// errWidth and outWidth are how wide the lines of err and out may be, 0 for no bound.
	errWidth, outWidth int
	// colour is set when out is a terminal that shows colours.
	colour bool
	now    func() time.Time
	// connect reads the kubeconfig. It makes no request.
	connect func(clusterFlags, io.Writer) (*connection, error)
}

// app is one run of the program.
type app struct {
	environment
	flags clusterFlags
	// began is when the program was started.
	began time.Time
	// cluster is set by the first connection, for messages about what went wrong with it.
	cluster *connection
}

// run executes one command line and returns its exit code. An error is printed on env.err, in one line
// that is wrapped on a terminal.
func run(ctx context.Context, args []string, env environment) int {
	a := &app{environment: env, began: env.now()}
	root := newRootCommand(a)
	// Without arguments cobra would take those of the process.
	root.SetArgs(append([]string{}, args...))
	root.SetIn(env.in)
	root.SetOut(env.out)
	root.SetErr(env.err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNotReady):
		return exitNotReady
	}

	fmt.Fprintln(env.err, hang("fairlead: ", explain(err, a.cluster), "  ", env.errWidth))
	return exitError
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Declarative Helm releases for Kubernetes",
		Long: `Fairlead installs and upgrades Helm releases that are declared as objects of the cluster.
"fairlead controller" does the work; the other commands show it and steer it.

Commands are written VERB KIND NAME, or VERB KIND/NAME. Kinds, in the singular or the plural:` + kindTable() + `

Data goes to standard output; progress, notes and errors go to standard error.

Exit codes:
  0  success
  1  differences, or the object is not ready
  2  error`,
		Example: `  fairlead get releases -A
  fairlead status release shop -n web
  fairlead reconcile release shop -n web --wait`,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%s", err) })
	root.SetHelpCommand(newHelpCommand())
	root.SetHelpCommandGroupID(groupOther)
	a.setHelp(root)
	a.addCommands(root)
	return root
}

// addCommands adds every command to the root.
func (a *app) addCommands(root *cobra.Command) {
	root.AddGroup(commandGroups...)
	addGroup(root, groupLook,
		newGetCommand(a), newStatusCommand(a), newExplainCommand(a), newTreeCommand(a), newTraceCommand(a),
		newEventsCommand(a), newLogsCommand(a), newHistoryCommand(a), newValuesCommand(a))
	addGroup(root, groupPreview, newPlanCommand(a), newDiffCommand(a), newBuildCommand(a), newRenderCommand(a),
		newCICommand(a))
	addGroup(root, groupAct,
		newReconcileCommand(a), newCancelCommand(a), newWaitCommand(a), newRollbackCommand(a), newSuspendCommand(a),
		newResumeCommand(a), newCreateCommand(a))
	addGroup(root, groupPipeline, newStageCommands(a)...)
	addGroup(root, groupPipeline,
		newBoardCommand(a), newFreezeCommand(a), newUnfreezeCommand(a), newPromoteCommand(a))
	addGroup(root, groupSetup,
		newInstallCommand(a), newBootstrapCommand(a), newCheckCommand(a), newUninstallCommand(a),
		newControllerCommand())
	addGroup(root, groupOther, newVersionCommand(a), newCompletionCommand())
}

// newHelpCommand is cobra's own command, except that it refuses a command that does not exist.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: `  fairlead help status`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			found, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}

			var names []string
			for _, sub := range found.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}

			return withPrefix(names, toComplete), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}

			if found.HasSubCommands() {
				if err := unknownCommand(found, rest); err != nil {
					return err
				}
			}

			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// unknownCommand is the argument check of a command that only has subcommands.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef(cmd, "unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef(cmd, "unknown command %q", args[0])
}
