package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// maxHelpColumns is how wide the sentences of a help text are at most: longer lines are hard to read.
const maxHelpColumns = 100

// Groups of commands in the help of fairlead.
const (
	groupLook     = "look"
	groupPreview  = "preview"
	groupAct      = "act"
	groupPipeline = "pipeline"
	groupSetup    = "setup"
	groupOther    = "other"
)

// commandGroups are the groups in the order in which the help lists them.
var commandGroups = []*cobra.Group{
	{ID: groupLook, Title: "See what is there and why:"},
	{ID: groupPreview, Title: "See what would change:"},
	{ID: groupAct, Title: "Act on objects:"},
	{ID: groupPipeline, Title: "Promote charts with pipelines:"},
	{ID: groupSetup, Title: "Set up Fairlead:"},
	{ID: groupOther, Title: "Other commands:"},
}

// addGroup adds commands to the root, in a group of its help.
func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
	}

	root.AddCommand(commands...)
}

// setHelp makes the help of every command fit the terminal. In a pipe sentences have the width of a usual terminal, and each flag
// stays on a line of its own, for grep.
func (a *app) setHelp(root *cobra.Command) {
	template := strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", a.outWidth))
	root.SetUsageTemplate(strings.ReplaceAll(template, " for more information about a command.", " for the help of a command."))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}

		fmt.Fprint(cmd.OutOrStdout(), reflow(text, a.helpWidth())+"\n\n"+cmd.UsageString())
	})
}

// helpWidth is how wide the sentences of a help text are.
func (a *app) helpWidth() int {
	if a.outWidth <= 0 {
		return defaultColumns
	}
	return min(a.outWidth, maxHelpColumns)
}

// reflow wraps the paragraphs of a text at the width. Lines that begin with a space, as those of a table, stay as they are.
func reflow(text string, width int) string {
	var out []string
	var words []string
	end := func() {
		if len(words) > 0 {
			out = append(out, wrap(strings.Join(words, " "), 0, width)...)
			words = nil
		}
	}

	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line == "" || strings.HasPrefix(line, " ") {
			end()
			out = append(out, line)
			continue
		}

		words = append(words, strings.Fields(line)...)
	}

	end()
	return strings.Join(out, "\n")
}
