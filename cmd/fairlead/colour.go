package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Values of --color.
const (
	colourAuto   = "auto"
	colourAlways = "always"
	colourNever  = "never"
)

var colourModes = []string{colourAuto, colourAlways, colourNever}

// The colours of a terminal.
const (
	green   = "32"
	yellow  = "33"
	red     = "31"
	magenta = "35"
)

// colours of the words for states: phases, the health of objects, the status of revisions and the outcome of checks.
var colours = map[string]string{
	"Current": green, "Ready": green, "Verified": green, "Healthy": green, "Active": green, "deployed": green,

	"InProgress": yellow, "Pending": yellow, "Waiting": yellow, "Progressing": yellow, "Held": yellow,
	"Suspended": yellow,
	"Deleting":  yellow, "Drifted": yellow, "Unverified": yellow, "Verifying": yellow, "Blocked": yellow,
	"AwaitingApproval": yellow, "Frozen": yellow, "Warning": yellow,

	"Failed": red, "Stalled": red, "Missing": red, "Unhealthy": red, "Rejected": red, "failed": red,

	"Unknown": magenta,
}

// stateColumns are the columns of tables that hold a word for a state.
var stateColumns = []string{"PHASE", "HEALTH", "STATUS", "STATE", "TYPE", "RESULT"}

// colourMode is the value of --color.
type colourMode string

// String implements pflag.Value.
func (m *colourMode) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *colourMode) Type() string { return "string" }

// Set implements pflag.Value.
func (m *colourMode) Set(text string) error {
	if !slices.Contains(colourModes, text) {
		return fmt.Errorf("write one of %s", strings.Join(colourModes, ", "))
	}
	*m = colourMode(text)
	return nil
}

// addColourFlag adds --color.
func (a *app) addColourFlag(cmd *cobra.Command) {
	a.flags.colour = colourAuto
	cmd.Flags().Var(&a.flags.colour, "color", "colours of states: "+strings.Join(colourModes, ", "))
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colourModes, cobra.ShellCompDirectiveNoFileComp))
}

// coloured reports whether standard output has colours.
func (a *app) coloured() bool {
	switch a.flags.colour {
	case colourAlways:
		return true
	case colourNever:
		return false
	default:
		return a.colour
	}
}

// paint gives a text the colour of a state, where standard output has colours.
func (a *app) paint(state, text string) string {
	colour, known := colours[state]
	if !known || !a.coloured() {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// paintCell gives a cell its colour when its column holds states. Of several words, the first one decides.
func (a *app) paintCell(title, cell string) string {
	if !slices.Contains(stateColumns, title) {
		return cell
	}
	state, _, _ := strings.Cut(cell, ",")
	return a.paint(state, cell)
}

// showsColours reports whether the file is a terminal whose user wants colours.
func showsColours(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == ""
}
