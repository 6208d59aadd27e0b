package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// maxCrashLogs is how many containers have their output shown.
const maxCrashLogs = 3

const explainLong = `Say why a release is not healthy: which objects, with the exit codes and the last lines of containers
that crash; what changed since the revision that was verified last; whether its objects were changed; and what happens
next. The cluster is read with your own rights; what they do not allow is named. Values are never shown, only the names
of those that changed.

After a failure it names the fields of the failed objects that changed, the chart or the value that changed each of them
with its layer, the revision of the Kustomization that declares the release, and the commands that show or undo the
change. For that it renders the failed revision without single changes, for up to a minute; when the API server refused
it before there was a revision, the chart is fetched from upstream.

Exits with 0 when it is healthy and either verified or still watched in its bake time, and nothing is pending; with 1
when it is not, with 2 on an error.

Of a Kustomization it says what is wrong and since when, which revision introduced it, which objects are not healthy, and what
depends on it and waits; of a source the revision in use, and what uses the source and waits. It exits with 0 when nothing is
wrong with it.

Of a pipeline it shows each stage, and every gate that the candidate has to pass. It exits with 1 when a stage waits or
failed. With --version it says why a stage does not have that candidate: the gates are asked as the controller asks
them. It exits with 0 when all stages that are shown have it.

Kinds:`

func newExplainCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain KIND NAME",
		Short: "Say why an object is not healthy, and what happens next",
		Long:  explainLong + kindTable(explainedWords...),
		Example: `  fairlead explain release shop -n web
  fairlead explain hr shop -n web --no-logs -o yaml
  fairlead explain kustomization apps -n fleet
  fairlead explain gitrepository fleet -n infra
  fairlead explain pipeline shop -n web
  fairlead explain pipeline shop --stage prod --version 1.4.3 -n web`,
		ValidArgsFunction: a.completeKindAndName(explainedWords...),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	noLogs := cmd.Flags().Bool("no-logs", false, "do not read the output of containers that crashed")
	asked := a.addPipelineQuestion(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isPipeline(args) {
			name, err := pipelineName(cmd, args)
			if err != nil {
				return err
			}
			asked.name = name
			return a.explainPipeline(cmd.Context(), *asked, out)
		}
		if asked.stage != "" || asked.candidate != "" {
			return usagef(cmd, "--stage and --version go with a pipeline")
		}
		k, name, err := kindAndName(cmd, args, explainedWords...)
		if err != nil {
			return err
		}
		c, err := a.open()
		if err != nil {
			return err
		}
		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		if k.name != v1beta1.HelmReleaseKind {
			return a.explainObject(cmd.Context(), c, k, key, !*noLogs, out)
		}
		return a.explainRelease(cmd.Context(), c, k, key, !*noLogs, out)
	}
	return cmd
}

// explainRelease explains a release. The error is errNotReady when something is wrong with it.
func (a *app) explainRelease(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, logs bool, out *output,
) error {
	hr, err := a.release(ctx, c, k, key)
	if err != nil {
		return err
	}

	e := a.explanation(ctx, c, hr, logs)
	if out.machine() {
		err = out.write(a.out, e)
	} else {
		err = a.printExplanation(e)
	}

	if err == nil && !e.Healthy {
		err = errNotReady
	}

	return err
}

// explanation gathers what can be read. Only the release has to be readable: what is known of it is worth more than nothing.
func (a *app) explanation(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, logs bool) view.Explanation {
	tree, err := view.NewReader(c.objects).Tree(ctx, hr)
	e := view.Explain(hr, &tree)
	if err != nil {
		e.Notes = append(e.Notes, "the objects could not be looked at: "+explain(err, c))
	}

	e.Kept = hr.Status.Kept
	if err := a.addUninstall(ctx, c, hr, &e); err != nil {
		e.Notes = append(e.Notes, "what an uninstall would delete is not known: "+oneLine(err.Error()))
	}
	if logs {
		addCrashLogs(ctx, c, e.Crashes)
	}

	if e.Introduced != nil {
		a.lookBack(ctx, c, hr, &e)
	}

	return e
}

func (a *app) printExplanation(e view.Explanation) error {
	s := &screen{}
	state := string(view.Ready)
	if !e.Healthy {
		state = string(view.Failed)
	}

	s.add("Release", e.Namespace+"/"+e.Name)
	s.addState("Verdict", state, e.Summary)
	if e.Healthy {
		s.add("Not taken", e.NotTaken...)
		s.add("Kept", keptLines(e.Kept)...)
		s.add("Uninstall", e.Uninstall...)
		s.add("Not seen", e.Notes...)
		return a.write(a.out, s)
	}

	s.add("Not healthy", unhealthyLines(e)...)
	for _, c := range e.Crashes {
		addCrash(s, c)
	}

	said := told{e.Summary, strings.TrimPrefix(e.Summary, string(e.Phase)+": ")}
	if f := e.LastFailure; f != nil {
		shown := *f
		shown.Message = said.rest(f.Message)
		s.add("Failed", a.failureLines(shown)...)
	}

	s.add("Introduced by", introducedLines(e)...)
	s.add("Drift", driftLines(e.Drift)...)
	for _, c := range e.Conditions {
		text := said.rest(oneLine(c.Message))
		s.add(c.Type, strings.TrimSuffix(fmt.Sprintf("%s, %s for %s: %s", conditionWord(c.Status), c.Reason, a.age(&c.Since), text), ": "))
	}

	s.add("Not taken", e.NotTaken...)
	s.add("Kept", keptLines(e.Kept)...)
	s.add("Uninstall", e.Uninstall...)
	s.add("Next", append([]string{a.nextLine(e.Next)}, e.Then...)...)
	s.add("Helps", e.Commands...)
	s.add("Not seen", e.Notes...)
	return a.write(a.out, s)
}

// told are the texts that were printed already.
type told []string

// rest is what a text says that was not printed yet: nothing where it was printed as a part of another one, and only its end where
// it begins like another one.
func (t *told) rest(text string) string {
	left := text
	for _, earlier := range *t {
		if strings.Contains(earlier, text) {
			return ""
		}
		if end, found := strings.CutPrefix(text, earlier); found && len(end)+len("… ") < len(left) {
			left = "… " + strings.TrimLeft(end, " ;,:")
		}
	}

	*t = append(*t, text)
	return left
}

func unhealthyLines(e view.Explanation) []string {
	var lines []string
	for _, o := range e.Unhealthy {
		lines = append(lines, fmt.Sprintf("%s %s: %s", objectText(o.Kind, o.Namespace, o.Name, e.Namespace), o.State, orNone(o.Message)))
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	if len(lines) > 0 && !e.Live {
		lines = append(lines, "(as the controller saw them last)")
	}

	return lines
}

// objectText names an object, with its namespace where it is not that of the release.
func objectText(kind, namespace, name, home string) string {
	if namespace != "" && namespace != home {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

func addCrash(s *screen, c view.CrashReport) {
	s.add("Crash", fmt.Sprintf("pod %s, container %s: exit code %d (%s), restarts: %d",
		c.Pod, c.Container, c.ExitCode, c.Reason, c.Restarts))
	s.addOutput(c.Lines)
	if c.LogsError != "" {
		s.add("", "no output: "+c.LogsError)
	}
}

func (a *app) failureLines(f v1beta1.LastFailure) []string {
	what := fmt.Sprintf("%s in phase %s, %s ago", f.Class, f.Phase, orNone(a.age(&f.At)))
	if f.Revision > 0 {
		what += fmt.Sprintf(", revision %d", f.Revision)
	}
	if f.ChartVersion != "" {
		what += ", chart " + f.ChartVersion
	}

	lines := []string{what}
	if f.Message != "" {
		lines = append(lines, f.Message)
	}

	return lines
}

func chartAndDigest(c v1beta1.ChartRevision) string {
	if c.Digest == "" {
		return c.Name + " " + cmp.Or(c.Version, "-")
	}
	return c.Name + " " + c.Version + " (" + v1beta1.ShortDigest(c.Digest) + ")"
}

func driftLines(objects []v1beta1.ObjectDrift) []string {
	if len(objects) == 0 {
		return []string{"none known"}
	}

	var lines []string
	for _, o := range objects {
		line := o.Kind + " " + o.Name + ": "
		switch {
		case o.Missing:
			line += "is gone"
		case len(o.Fields) > 0:
			line += fieldText(o.Fields[0])
			if n := len(o.Fields) - 1 + int(o.More); n > 0 {
				line += " and " + plural(n, "more field")
			}
		}

		if o.Note != "" {
			line += " (" + o.Note + ")"
		}

		lines = append(lines, line)
	}

	return lines
}

func fieldText(f v1beta1.FieldDrift) string {
	text := f.Path + " " + f.Change
	if f.Manager != "" {
		text += " by " + f.Manager
	}
	if f.Since != nil {
		text += " on " + f.Since.UTC().Format(time.RFC3339)
	}
	return text
}

func conditionWord(status string) string {
	return cmp.Or(map[string]string{"True": "yes", "False": "no"}[status], "not known")
}
