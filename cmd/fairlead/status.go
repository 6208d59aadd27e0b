package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/duration"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func newStatusCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status release NAME",
		Short: "Show on one screen how a release is, why, and what happens next",
		Long: `Show on one screen how a release is, why, and what happens next.

Exits with 0 when the phase is Ready, with 1 when it is anything else (also Suspended), with 2 on an error.`,
		Example: `  fairlead status release shop -n web
  fairlead status hr shop -n web -o json | jq .next`,
		ValidArgsFunction: a.completeKindAndName("release"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "release")
		if err != nil {
			return err
		}
		c, err := a.open()
		if err != nil {
			return err
		}
		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		s, err := view.NewReader(c.client).Release(cmd.Context(), key)
		if err != nil {
			return a.notFound(cmd.Context(), k, key, err)
		}
		if out.machine() {
			err = out.write(a.out, s)
		} else {
			err = a.printStatus(s)
		}
		if err == nil && !s.Ready {
			err = errNotReady
		}
		return err
	}
	return cmd
}

// screen is a list of labels and their lines.
type screen struct {
	lines []string
}

// add adds a label with a line, and further lines below it. Nothing is added without a line.
func (s *screen) add(label string, lines ...string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		s.lines = append(s.lines, strings.TrimRight(fmt.Sprintf("%-13s %s", label, oneLine(line)), " "))
	}
}

func (s *screen) write(w io.Writer) error {
	_, err := io.WriteString(w, strings.Join(s.lines, "\n")+"\n")
	return err
}

func (a *app) printStatus(r view.ReleaseStatus) error {
	s := &screen{}
	s.add("Release", r.Namespace+"/"+r.Name)
	s.add("Phase", string(r.Phase))
	for _, kind := range []string{v1beta1.ReadyCondition, v1beta1.ReconcilingCondition, v1beta1.StalledCondition} {
		s.add(kind, a.conditionText(r, kind))
	}
	for _, kind := range []string{v1beta1.HealthyCondition, v1beta1.VerifiedCondition, v1beta1.DriftedCondition,
		v1beta1.TestSuccessCondition, v1beta1.RemediatedCondition} {
		if _, there := r.Condition(kind); there {
			s.add(kind, a.conditionText(r, kind))
		}
	}
	s.add("Message", orNone(r.Message))
	s.add("Chart", chartLine(r))
	s.add("Revision", a.revisionLine(r))
	s.add("Helm release", fmt.Sprintf("%s in namespace %s, records in namespace %s", r.ReleaseName, r.ReleaseNamespace, r.StorageNamespace))
	s.add("Source", sourceLines(r)...)
	s.add("Depends on", dependencyLines(r.Dependencies)...)
	s.add("Values", valuesLine(r))
	s.add("Inventory", inventoryLine(r.Inventory))
	if v := r.LastVerified; v != nil {
		s.add("Last good", fmt.Sprintf("revision %d, verified %s ago", v.Revision, orNone(a.age(&v.At))))
	}
	if f := r.LastFailure; f != nil {
		s.add("Last failure", a.failureLines(*f)...)
	}
	s.add("Last attempt", a.attemptLine(r.LastAttempt))
	s.add("Next", a.nextLine(r.Next))
	return s.write(a.out)
}

// conditionText says a condition in words. Reconciling and Stalled are absent when they are not so.
func (a *app) conditionText(r view.ReleaseStatus, kind string) string {
	c, ok := r.Condition(kind)
	if !ok {
		if kind == v1beta1.ReadyCondition {
			return "not known yet"
		}
		return "no"
	}
	word := map[string]string{"True": "yes", "False": "no"}[c.Status]
	if word == "" {
		word = "not known"
	}
	return fmt.Sprintf("%s, %s for %s", word, c.Reason, a.age(&c.Since))
}

func chartLine(r view.ReleaseStatus) string {
	if r.Chart == nil {
		return "none yet"
	}
	line := r.Chart.Name + " " + r.Chart.Version
	if r.AppVersion != "" {
		line += " (app " + r.AppVersion + ")"
	}
	if r.Chart.Digest != "" {
		line += ", digest " + v1beta1.ShortDigest(r.Chart.Digest)
	}
	return line
}

func (a *app) revisionLine(r view.ReleaseStatus) string {
	if r.Revision == 0 {
		return "none yet"
	}
	return fmt.Sprintf("%d %s, made %s ago", r.Revision, r.RevisionStatus, orNone(a.age(r.DeployedAt)))
}

func sourceLines(r view.ReleaseStatus) []string {
	if r.SourceStatus == nil {
		return []string{"none"}
	}
	source := *r.SourceStatus
	line := source.String() + " is " + string(source.Phase)
	if source.Revision != "" {
		line += ", revision " + revisionText(source.Revision)
	}
	if source.Ready || source.Message == "" {
		return []string{line}
	}
	return []string{line, source.Message}
}

func dependencyLines(dependencies []view.Related) []string {
	if len(dependencies) == 0 {
		return []string{"nothing"}
	}
	var lines []string
	for _, d := range dependencies {
		if d.Ready {
			continue
		}
		line := d.Namespace + "/" + d.Name + " is " + string(d.Phase)
		if d.Message != "" {
			line += ": " + d.Message
		}
		lines = append(lines, line)
	}
	ready := len(dependencies) - len(lines)
	return append([]string{fmt.Sprintf("%d of %d ready", ready, len(dependencies))}, lines...)
}

func valuesLine(r view.ReleaseStatus) string {
	var parts []string
	for _, v := range r.ValuesFrom {
		part := v.Kind + " " + v.Name + " (" + v.Key
		if v.Optional {
			part += ", optional"
		}
		parts = append(parts, part+")")
	}
	if r.InlineValues {
		parts = append(parts, "spec.values")
	}
	if len(parts) == 0 {
		return "the chart's own"
	}
	return strings.Join(parts, ", then ")
}

func inventoryLine(i view.Inventory) string {
	parts := make([]string, 0, len(i.Kinds))
	for _, k := range i.Kinds {
		parts = append(parts, fmt.Sprintf("%d %s", k.Count, k.Kind))
	}
	line := plural(i.Total, "object")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	return line
}

func (a *app) attemptLine(t *view.Attempt) string {
	if t == nil {
		return "none yet"
	}
	line := t.Action + " to " + orNone(t.Version)
	if t.Digest != "" {
		line += " (" + v1beta1.ShortDigest(t.Digest) + ")"
	}
	line += fmt.Sprintf(" for generation %d", t.Generation)
	if t.EndedAt != nil {
		line += ", ended " + a.age(t.EndedAt) + " ago"
	}
	if t.Failures > 0 {
		line += ", " + plural(int(t.Failures), "failure") + " in a row"
	}
	return line
}

func (a *app) nextLine(n view.Next) string {
	if n.At == nil {
		return n.Message
	}
	return a.when(n.At) + ": " + n.Message
}

// when says how far off a moment is.
func (a *app) when(t *metav1.Time) string {
	left := t.Sub(a.now())
	if left <= 0 {
		return "now"
	}
	return "in " + duration.HumanDuration(left)
}
