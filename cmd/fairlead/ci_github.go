package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/view"
)

// summaryVariable names the file to which a step of GitHub Actions appends markdown.
const summaryVariable = "GITHUB_STEP_SUMMARY"

// maxAnnotations is how many annotations are printed: GitHub shows fewer of one step.
const maxAnnotations = 50

// reviewGitHub prints errors and risks as annotations, and appends the markdown to the summary of the step.
func (a *app) reviewGitHub(found *view.Review, flags *ciFlags) error {
	printed := 0
	for _, item := range found.Items {
		line := annotationOf(item)
		if line == "" {
			continue
		}
		if printed++; printed > maxAnnotations {
			break
		}

		fmt.Fprintln(a.out, line)
	}

	fmt.Fprintf(a.out, "%s, highest risk %s\n", plural(len(found.Items), "plan"), found.Risk)
	path := os.Getenv(summaryVariable)
	if path == "" {
		return nil
	}

	// #nosec G304 G703 -- the runner names the file
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("append to $%s: %w", summaryVariable, err)
	}

	_, err = file.WriteString(a.reviewMarkdown(found, flags))
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("append to $%s: %w", summaryVariable, err)
	}

	return nil
}

// annotationOf is the workflow command for a plan; empty for one without a risk.
func annotationOf(item view.ReviewItem) string {
	level := "warning"
	switch {
	case item.Error != "":
		level = "error"
	case item.Risk == preview.None.String():
		return ""
	case item.Risk == preview.Restart.String():
		level = "notice"
	}

	properties := make([]string, 0, 3)
	if item.File != "" {
		properties = append(properties, "file="+propertyText(item.File), "line="+strconv.Itoa(max(item.Line, 1)))
	}

	title := riskOfItem(item) + ": " + item.Kind + " " + nameOfItem(item)
	properties = append(properties, "title="+propertyText(clipped(title, maxText)))
	message := messageText(clipped(risksOfItem(item), maxText*2))
	return "::" + level + " " + strings.Join(properties, ",") + "::" + message
}

// risksOfItem says why a plan is risky.
func risksOfItem(item view.ReviewItem) string {
	if item.Error != "" {
		return item.Error
	}

	var reasons []string
	for _, o := range item.Objects {
		for _, risk := range o.Risks {
			reasons = append(reasons, o.Kind+" "+o.Name+": "+risk.Why)
		}
	}

	return summaryOfItem(item) + ". " + strings.Join(reasons, "; ")
}

// messageText escapes the message of a workflow command.
func messageText(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// propertyText escapes a property of a workflow command.
func propertyText(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(messageText(text))
}
