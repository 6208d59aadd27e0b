package main

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// maxHeldUp is how many objects that wait are named.
const maxHeldUp = 10

// explainObject explains a Kustomization or a source. The error is errNotReady when something is wrong with it.
func (a *app) explainObject(
	ctx context.Context, c *connection, k kind, key types.NamespacedName, logs bool, out *output,
) error {
	reader := view.NewReader(c.client)
	object, err := reader.Object(ctx, k.name, key)
	if err != nil {
		return a.notFound(ctx, k, key, err)
	}

	around := reader.Around(ctx, object)
	var e view.ObjectExplanation
	switch v := object.(type) {
	case *v1beta1.Kustomization:
		e = a.kustomizationExplanation(ctx, c, v, around, logs)
	case v1beta1.Source:
		e = view.ExplainSource(v, around)
	}

	if out.machine() {
		err = out.write(a.out, e)
	} else {
		err = a.printObjectExplanation(e)
	}

	if err == nil && !e.Healthy {
		err = errNotReady
	}

	return err
}

// kustomizationExplanation gathers what can be read. Only the Kustomization has to be readable.
func (a *app) kustomizationExplanation(
	ctx context.Context, c *connection, k *v1beta1.Kustomization, around view.Surroundings, logs bool,
) view.ObjectExplanation {
	tree, err := view.NewReader(c.objects).Tree(ctx, k)
	e := view.ExplainKustomization(k, &tree, around)
	if err != nil {
		e.Notes = append(e.Notes, "the objects could not be looked at: "+explain(err, c))
	}
	if logs {
		addCrashLogs(ctx, c, e.Crashes)
	}

	return e
}

// addCrashLogs reads the end of the output of the first containers that crashed.
func addCrashLogs(ctx context.Context, c *connection, crashes []view.CrashReport) {
	for i := range crashes[:min(len(crashes), maxCrashLogs)] {
		lines, err := c.logs(ctx, crashes[i].Crash)
		switch {
		case apierrors.IsForbidden(err):
			crashes[i].LogsError = "you may not get pods/log in namespace " + crashes[i].Namespace
		case err != nil:
			crashes[i].LogsError = oneLine(err.Error())
		default:
			crashes[i].Lines = lines
		}
	}
}

func (a *app) printObjectExplanation(e view.ObjectExplanation) error {
	s := &screen{}
	state := string(view.Ready)
	if !e.Healthy {
		state = string(view.Failed)
	}

	s.add(labelOf(e.Kind), e.Namespace+"/"+e.Name)
	s.addState("Verdict", state, e.Summary)
	if e.Since != nil {
		s.add("Since", fmt.Sprintf("%s ago (%s)", a.age(e.Since), timeText(e.Since)))
	}

	s.add("Not healthy", unhealthyObjectLines(e)...)
	for _, c := range e.Crashes {
		addCrash(s, c)
	}
	if e.Introduced != nil {
		s.add("Introduced by", a.failedRevisionLines(*e.Introduced)...)
	}

	s.add("In use", orNone(e.Revision))
	if e.Source != nil {
		s.add("Source", sourceLines(e.Source)...)
	}
	if len(e.Dependencies) > 0 {
		s.add("Waits for", notReadyLines(e.Dependencies)...)
	}

	s.add("Used by", usedByLines(e)...)
	if !e.Healthy {
		a.addExplainedConditions(s, e)
	}

	s.add("Kept", keptLines(e.Kept)...)
	s.add("Next", a.nextLine(e.Next))
	s.add("Not seen", e.Notes...)
	return a.write(a.out, s)
}

// labelOf is the label of a kind on a screen.
func labelOf(kind string) string {
	if len(kind) < len(screenIndent) {
		return kind
	}
	return "Source"
}

// addExplainedConditions adds the conditions. What the summary says already is not repeated.
func (a *app) addExplainedConditions(s *screen, e view.ObjectExplanation) {
	said := told{e.Summary, strings.TrimPrefix(e.Summary, string(e.Phase)+": ")}
	for _, c := range e.Conditions {
		text := said.rest(oneLine(c.Message))
		line := fmt.Sprintf("%s, %s for %s: %s", conditionWord(c.Status), c.Reason, a.age(&c.Since), text)
		s.add(c.Type, strings.TrimSuffix(line, ": "))
	}
}

func unhealthyObjectLines(e view.ObjectExplanation) []string {
	return unhealthyLines(view.Explanation{Namespace: e.Namespace, Unhealthy: e.Unhealthy, More: e.More, Live: e.Live})
}

// failedRevisionLines say which revision fails, and what is applied.
func (a *app) failedRevisionLines(r view.FailedRevision) []string {
	line := "revision " + r.Revision + ", " + plural(int(r.Failures), "failure") + " in a row"
	if r.At != nil {
		line += ", the last one " + a.age(r.At) + " ago"
	}

	switch {
	case r.Repeated:
		return []string{line, "the same revision was applied before: the spec, a variable or the cluster has changed since"}
	case r.Former != "":
		return []string{line, r.Former + " was applied before, and stays"}
	default:
		return []string{line, "nothing was applied before"}
	}
}

// notReadyLines name dependencies that are not ready.
func notReadyLines(dependencies []view.Related) []string {
	lines := make([]string, 0, len(dependencies))
	for _, d := range dependencies {
		line := d.String() + " is " + string(d.Phase)
		if d.Message != "" {
			line += ": " + d.Message
		}
		lines = append(lines, line)
	}
	return lines
}

// usedByLines say how many objects use an object, and name those that it holds up.
func usedByLines(e view.ObjectExplanation) []string {
	if e.Users == 0 {
		return []string{"nothing"}
	}
	return append([]string{usersText(e.Users, len(e.HeldUp))}, heldUpLines(e.HeldUp)...)
}

func usersText(users, waiting int) string {
	text := plural(users, "object")
	switch waiting {
	case 0:
		return text + ", none of them waits"
	case 1:
		return text + ", 1 of them waits"
	default:
		return fmt.Sprintf("%s, %d of them wait", text, waiting)
	}
}

func heldUpLines(waiting []view.User) []string {
	lines := make([]string, 0, len(waiting))
	for i, u := range waiting {
		if i == maxHeldUp {
			return append(lines, fmt.Sprintf("and %d more", len(waiting)-i))
		}
		lines = append(lines, strings.TrimSuffix(u.String()+": "+u.Message, ": "))
	}
	return lines
}
