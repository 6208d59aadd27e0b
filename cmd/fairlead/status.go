package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
		Use:   "status KIND NAME",
		Short: "Show on one screen how an object is, why, and what happens next",
		Long: `Show on one screen how an object is, why, and what happens next. Of a source it shows what uses it, of a pipeline its
stages, of a promotion its gates, of a freeze what it holds and until when, of a receiver what it reconciles.

Exits with 0 when the phase is Ready, or Verified for a promotion, with 1 when it is anything else (also Suspended), with 2
on an error. Of a freeze it exits with 0.

Kinds:` + kindTable(),
		Example: `  fairlead status release shop -n web
  fairlead status hr/shop -n web -o json | jq .next
  fairlead status kustomization apps -n fleet
  fairlead status helmrepository charts -n web
  fairlead status pipeline shop -n web`,
		ValidArgsFunction: a.completeKindAndName(),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputName, outputJSON, outputYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args)
		if err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		s, err := a.statusOf(cmd.Context(), c, k, key)
		if err != nil {
			return a.notFound(cmd.Context(), k, key, err)
		}

		if out.machine() {
			err = out.write(a.out, s.value, nameOf(k.name, name))
		} else {
			err = a.write(a.out, s.screen)
		}

		if err == nil && !s.ready {
			err = errNotReady
		}

		return err
	}
	return cmd
}

// statusReport is a status as machines and as people read it.
type statusReport struct {
	value  any
	screen *screen
	ready  bool
}

// statusOf reads the status of an object.
func (a *app) statusOf(ctx context.Context, c *connection, k kind, key types.NamespacedName) (statusReport, error) {
	reader := view.NewReader(c.client)
	switch k.name {
	case v1beta1.HelmReleaseKind:
		s, err := reader.Release(ctx, key)
		return statusReport{s, a.releaseScreen(s), s.Ready}, err
	case v1beta1.KustomizationKind:
		s, err := reader.Kustomization(ctx, key)
		return statusReport{s, a.kustomizationScreen(s), s.Ready}, err
	case v1beta1.ReceiverKind, v1beta1.ReleasePipelineKind, v1beta1.PromotionKind, v1beta1.ReleaseFreezeKind:
		return a.promotionStatusOf(ctx, reader, k, key)
	default:
		s, err := reader.Source(ctx, k.name, key)
		return statusReport{s, a.sourceScreen(s), s.Ready}, err
	}
}

func (a *app) releaseScreen(r view.ReleaseStatus) *screen {
	s := &screen{}
	s.add("Release", r.Namespace+"/"+r.Name)
	addPhase(s, r.Phase, r.SuspendReason)
	a.addConditions(s, r.Conditions)
	s.add("Message", orNone(r.Message))
	s.add("Chart", chartLine(r))
	s.add("Revision", a.revisionLine(r))
	s.add("Helm release", fmt.Sprintf("%s in namespace %s, records in namespace %s", r.ReleaseName, r.ReleaseNamespace, r.StorageNamespace))
	s.add("Source", sourceLines(r.SourceStatus)...)
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
	return s
}

// addPhase adds the phase and why the object is suspended, where that is said.
func addPhase(s *screen, phase view.Phase, suspendReason string) {
	s.addState("Phase", string(phase), string(phase))
	if suspendReason != "" {
		s.add("Suspended", suspendReason)
	}
}

// addConditions adds Ready, Reconciling and Stalled, and the other conditions that there are.
func (a *app) addConditions(s *screen, conditions []view.Condition) {
	for _, kind := range []string{v1beta1.ReadyCondition, v1beta1.ReconcilingCondition, v1beta1.StalledCondition} {
		s.add(kind, a.conditionText(conditions, kind))
	}
	for _, kind := range []string{v1beta1.HealthyCondition, v1beta1.VerifiedCondition, v1beta1.DriftedCondition,
		v1beta1.PrunedCondition, v1beta1.TestSuccessCondition, v1beta1.RemediatedCondition} {
		if _, there := conditionIn(conditions, kind); there {
			s.add(kind, a.conditionText(conditions, kind))
		}
	}
}

func conditionIn(conditions []view.Condition, kind string) (view.Condition, bool) {
	i := slices.IndexFunc(conditions, func(c view.Condition) bool { return c.Type == kind })
	if i < 0 {
		return view.Condition{}, false
	}
	return conditions[i], true
}

// conditionText says a condition in words. Reconciling and Stalled are absent when they are not so.
func (a *app) conditionText(conditions []view.Condition, kind string) string {
	c, ok := conditionIn(conditions, kind)
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

func sourceLines(related *view.Related) []string {
	if related == nil {
		return []string{"none"}
	}

	source := *related
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
		part := v.Kind + " " + v.Name + " (" + cmp.Or(v.Path, v.Key)
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

	preposition := " to "
	if t.Action == "install" {
		preposition = " of "
	}

	line := t.Action + preposition + orNone(t.Version)
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
