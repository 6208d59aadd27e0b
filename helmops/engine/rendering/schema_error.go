package rendering

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/chart"

	"fairlead.dev/fairlead/helmops/process/worker"
)

// How many problems a SchemaError has of one chart, and how long the path and the text of each are.
const (
	maxProblems    = 10
	maxPathText    = 200
	maxProblemText = 500
)

// codeSchema marks the error of a job that is a SchemaError.
const codeSchema = "values-schema"

// SchemaError says what of the values breaks the schemas of a chart and its subcharts.
type SchemaError struct {
	Charts []BrokenSchema `json:"charts"`
}

// BrokenSchema is what breaks the schema of one chart.
type BrokenSchema struct {
	Chart    string          `json:"chart"`
	Version  string          `json:"version"`
	Problems []SchemaProblem `json:"problems"`
	// More is how many problems were left out.
	More int `json:"more,omitempty"`
}

// SchemaProblem is one value that breaks a schema. Text may quote it.
type SchemaProblem struct {
	// Path of the value from the values of the release; empty for all of them.
	Path []string `json:"path,omitempty"`
	Text string   `json:"text"`
}

func newBrokenSchema(c *chart.Chart, problems []SchemaProblem) BrokenSchema {
	out := BrokenSchema{Chart: c.Name(), Version: c.Metadata.Version, Problems: problems}
	if len(problems) > maxProblems {
		out.Problems = problems[:maxProblems]
		out.More = len(problems) - maxProblems
	}

	for i := range out.Problems {
		p := &out.Problems[i]
		if path := pathText(p.Path); len(path) > maxPathText {
			p.Path, p.Text = nil, bounded(path, maxPathText)+": "+p.Text
		}

		p.Text = bounded(p.Text, maxProblemText)
	}

	return out
}

func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}

// Error implements error.
func (e *SchemaError) Error() string { return e.Describe(nil) }

// Code marks the error on its way from the rendering process.
func (e *SchemaError) Code() string { return codeSchema }

// Detail is the error in the form that the rendering process sends.
func (e *SchemaError) Detail() []byte {
	out, err := json.Marshal(e)
	if err != nil {
		return nil // it consists of texts
	}
	return out
}

// Describe words the error. origin names where the value at a path is from, and returns "" when that is not known; a
// nil origin never knows.
func (e *SchemaError) Describe(origin func(path []string) string) string {
	charts := make([]string, 0, len(e.Charts))
	for _, c := range e.Charts {
		var problems []string
		for _, p := range c.Problems {
			text := p.Text
			if len(p.Path) > 0 {
				text = pathText(p.Path) + ": " + text
			}

			if origin != nil && len(p.Path) > 0 {
				if from := origin(p.Path); from != "" {
					text += " (from " + from + ")"
				}
			}

			problems = append(problems, text)
		}

		if c.More > 0 {
			problems = append(problems, fmt.Sprintf("and %d more", c.More))
		}

		charts = append(charts, fmt.Sprintf("the schema of %s %s: %s", c.Chart, c.Version, strings.Join(problems, "; ")))
	}

	return "values break " + strings.Join(charts, "; ")
}

// pathText is a path with dots between its keys, as in helm's --set.
func pathText(path []string) string { return strings.Join(path, ".") }

// schemaErrorOf returns the SchemaError that a job has sent, err itself when it is another one.
func schemaErrorOf(err error) error {
	var failed *worker.JobError
	if !errors.As(err, &failed) || failed.Code != codeSchema {
		return err
	}
	found := &SchemaError{}
	if json.Unmarshal(failed.Detail, found) != nil || len(found.Charts) == 0 {
		return err
	}
	return found
}
