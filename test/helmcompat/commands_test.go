package helmcompat

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// commands are run on a release with two revisions, one after the other. NS stands for the namespace.
var commands = []string{
	"list -n NS -o json", "list -n NS --all", "history web -n NS -o json", "status web -n NS", "status web -n NS -o yaml",
	"get all web -n NS", "get values web -n NS --all", "get manifest web -n NS --revision 1", "get hooks web -n NS",
	"get notes web -n NS",
	"get metadata web -n NS",
	"test web -n NS --timeout 60s", "status web -n NS",
	"upgrade web CHART -n NS --reuse-values --set extra=1 --wait --timeout 60s", "history web -n NS",
	"get values web -n NS",
	"rollback web 1 -n NS --wait --timeout 60s", "history web -n NS", "get all web -n NS",
	"rollback web -n NS --timeout 60s", "upgrade web CHART -n NS --reset-values --history-max 3", "history web -n NS",
	"uninstall web -n NS --keep-history --wait", "history web -n NS", "rollback web 5 -n NS --wait",
	"uninstall web -n NS --wait", "list -n NS --all",
}

// clock finds the times in what helm prints.
var clock = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^"\s]*( [+-]\d{4} UTC)?|` +
	`[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}`)

// columns finds what fills the columns of a table, which are as wide as the times are.
var columns = regexp.MustCompile(`[ \t]+`)

// The helm command does with a release of Fairlead's what it does with its own, says the same, and ends in the same
// state.
func TestCommands(t *testing.T) {
	for _, s := range everyChart(t) {
		if !slices.Contains([]string{"test-hooks", "hooks", "keep", longest}, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.name = "commands-" + s.name
			p := begin(t, s)
			p.turn(t, 0)
			p.turn(t, 1)
			p.suspend(t)
			for _, line := range commands {
				cli, own := p.say(t, p.cli, line), p.say(t, p.own, line)
				if diff := gocmp.Diff(cli, own); diff != "" {
					t.Errorf("helm %s: - is for its own release, + for Fairlead's\n%s", line, diff)
				}
				if strings.HasPrefix(cli[0], "exit code 1") {
					t.Errorf("helm %s: %s", line, strings.Join(cli, "\n"))
				}
				if strings.Contains(line, "CHART") || strings.HasPrefix(line, "test") || strings.HasPrefix(line,
					"uninstall") {
					p.same(t, "after helm "+line)
				}
			}
			p.remove(t)
		})
	}
}

// say runs a helm command on a side and returns its output by lines, in a form that can be compared.
func (p *play) say(t *testing.T, s side, line string) []string {
	t.Helper()
	file, _, _ := p.publish(t, 1, s.namespace)
	arguments := strings.Fields(line)
	for i := range arguments {
		arguments[i] = strings.NewReplacer("CHART", file, "NS", s.namespace).Replace(arguments[i])
	}
	out, errs, code := command(t, "helm", arguments...)
	text := strings.Join([]string{"exit code " + string(rune('0'+code)), out, errs}, "\n")
	text = clock.ReplaceAllString(p.neutral(text, s), moment)
	return strings.Split(columns.ReplaceAllString(text, " "), "\n")
}
