package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"fairlead.dev/fairlead/helmops/view"
)

// reviewText prints the plans for people: the table first, then plan by plan.
func (a *app) reviewText(found *view.Review) error {
	var text bytes.Buffer
	shown := *a
	shown.out = &text
	err := shown.reviewLines(found)
	_, writeErr := io.WriteString(a.out, inert(text.String()))
	return errors.Join(err, writeErr)
}

// commandLine is a line that pipelines of GitHub and Azure take for a command, whatever prints it.
var commandLine = regexp.MustCompile(`(?m)^(::|##)`)

// inert indents what a pipeline would take for a command: names in manifests are not ours.
func inert(text string) string { return commandLine.ReplaceAllString(text, " $1") }

func (a *app) reviewLines(found *view.Review) error {
	a.note("from %s to %s, for Kubernetes %s", oneLine(found.Base), oneLine(found.Head), found.KubeVersion)
	for _, note := range found.Notes {
		a.note("%s", oneLine(note))
	}
	if len(found.Items) == 0 {
		a.note("the change touches none of the %d releases and Kustomizations", found.Untouched)
		return nil
	}

	t := a.table(&output{}, column{title: "RISK"}, column{title: "KIND"}, column{title: "NAME"},
		column{title: "CHANGE"}, column{title: "MESSAGE"})
	for _, item := range found.Items {
		t.add(riskOfItem(item), item.Kind, nameOfItem(item), item.Change, summaryOfItem(item))
	}
	if err := t.write(a.out, a.outWidth); err != nil {
		return err
	}

	for _, item := range found.Items {
		title := item.Kind + " " + nameOfItem(item) + ": " + item.Change + placeOf(item)
		fmt.Fprintf(a.out, "\n%s\n", a.paint(colourOfRisk[item.Risk], oneLine(title)))
		a.itemLines(item)
	}

	fmt.Fprintf(a.out, "\nhighest risk: %s\n", a.paint(colourOfRisk[found.Risk], found.Risk))
	return nil
}

func nameOfItem(item view.ReviewItem) string {
	if item.Namespace == "" {
		return item.Name
	}
	return item.Namespace + "/" + item.Name
}

// riskOfItem is the risk of a plan, Error for one that could not be made.
func riskOfItem(item view.ReviewItem) string {
	if item.Error != "" {
		return "Error"
	}
	return item.Risk
}

// placeOf is where an item is declared.
func placeOf(item view.ReviewItem) string {
	switch {
	case item.File == "":
		return ""
	case item.Line == 0:
		return " (" + item.File + ")"
	default:
		return fmt.Sprintf(" (%s:%d)", item.File, item.Line)
	}
}

// summaryOfItem is a plan in one line.
func summaryOfItem(item view.ReviewItem) string {
	if item.Error != "" {
		return oneLine(item.Error)
	}

	var parts []string
	for _, count := range []struct {
		n    int
		what string
	}{
		{item.Summary.Created, "created"}, {item.Summary.Changed, "changed"}, {item.Summary.Deleted, "deleted"},
		{item.Summary.Kept, "kept"},
	} {
		if count.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count.n, count.what))
		}
	}

	if len(parts) == 0 {
		parts = []string{"no object changes"}
	}
	if chart := chartOfItem(item); chart != "" {
		parts = append(parts, chart)
	}

	return oneLine(strings.Join(parts, ", "))
}

// chartOfItem says how the chart changes; empty when it does not.
func chartOfItem(item view.ReviewItem) string {
	from, to := chartText(item.From), chartText(item.To)
	if from == to {
		return ""
	}
	return "chart " + orNone(from) + " → " + orNone(to)
}

// itemLines prints a plan.
func (a *app) itemLines(item view.ReviewItem) {
	if item.Error != "" {
		a.say("error: %s", oneLine(item.Error))
		return
	}

	for _, note := range item.Notes {
		a.say("note: %s", oneLine(note))
	}
	if chart := chartOfItem(item); chart != "" {
		a.say("%s", oneLine(chart))
	}

	for _, v := range item.Values {
		fmt.Fprintln(a.out, oneLine("value "+valueDifferenceText(v)))
	}
	a.objectsOfPlan(item.PlanContent)
	a.hookLines(item.Hooks)
	a.podsOfPlan(item.PlanContent)
	fmt.Fprintf(a.out, "risk: %s\n", a.paint(colourOfRisk[item.Risk], item.Risk))
}

// plainLines are what itemLines prints, without colours and not wrapped. Each is one line without control characters.
func (a *app) plainLines(item view.ReviewItem) []string {
	var text bytes.Buffer
	plain := *a
	plain.out = &text
	plain.outWidth = 0
	plain.flags.colour = colourNever
	plain.itemLines(item)
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}
