package rendering

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// schemaURL is what Helm calls the schema of a chart; messages are without it.
const schemaURL = "file:///values.schema.json"

// checkSchemas checks the values of a chart and its subcharts against their schemas, as Helm does, but for references:
// Helm would read files of this machine and addresses without a check. It returns nil, or a *SchemaError.
func checkSchemas(c *chart.Chart, values map[string]any) error {
	if charts := broken(c, nil, values); len(charts) > 0 {
		return &SchemaError{Charts: charts}
	}
	return nil
}

// broken returns what the values of a chart and its subcharts break. path leads to the values of the chart.
func broken(c *chart.Chart, path []string, values map[string]any) (found []BrokenSchema) {
	if c.Schema != nil {
		if problems := checkSchema(c.Schema, path, values); len(problems) > 0 {
			found = append(found, newBrokenSchema(c, problems))
		}
	}

	for _, sub := range c.Dependencies() {
		raw, exists := values[sub.Name()]
		if !exists || raw == nil {
			continue
		}

		below := append(slices.Clone(path), sub.Name())
		var own map[string]any
		switch v := raw.(type) {
		case map[string]any:
			own = v
		case chartutil.Values:
			own = v
		default:
			text := fmt.Sprintf("invalid type for values: expected object (map), got %T", raw)
			found = append(found, newBrokenSchema(sub, []SchemaProblem{{Path: below, Text: text}}))
			continue
		}

		found = append(found, broken(sub, below, own)...)
	}

	return found
}

func checkSchema(text []byte, path []string, values map[string]any) []SchemaProblem {
	unusable := func(err error) []SchemaProblem { return []SchemaProblem{{Text: err.Error()}} }
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return unusable(err)
	}

	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(refusing{})
	if err := compiler.AddResource(schemaURL, schema); err != nil {
		return unusable(err)
	}

	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return unusable(err)
	}
	if values == nil {
		values = map[string]any{}
	}

	err = compiled.Validate(values)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return problemsOf(invalid, path)
	default:
		return unusable(err)
	}
}

// problemsOf lists what a validation found, each with the path from the values of the release. Of alternatives, of
// which one has to hold, it makes one problem. They are in the order of their paths.
func problemsOf(e *jsonschema.ValidationError, path []string) []SchemaProblem {
	at := slices.Concat(path, e.InstanceLocation)
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if len(e.Causes) > 0 {
			return []SchemaProblem{{Path: at, Text: alternatives(e)}}
		}
	default:
	}

	if len(e.Causes) == 0 {
		return []SchemaProblem{{Path: at, Text: e.BasicOutput().Error.String()}}
	}

	var found []SchemaProblem
	for _, cause := range e.Causes {
		found = append(found, problemsOf(cause, path)...)
	}

	// The library finds the fields of an object in no order.
	slices.SortFunc(found, func(a, b SchemaProblem) int {
		return cmp.Or(slices.Compare(a.Path, b.Path), strings.Compare(a.Text, b.Text))
	})
	return found
}

// alternatives says why none of several schemas holds.
func alternatives(e *jsonschema.ValidationError) string {
	var texts []string
	for _, cause := range e.Causes {
		for _, p := range problemsOf(cause, nil) {
			text := p.Text
			if below := p.Path[min(len(e.InstanceLocation), len(p.Path)):]; len(below) > 0 {
				text = pathText(below) + ": " + text
			}

			texts = append(texts, text)
		}
	}

	return "no alternative holds: " + strings.Join(texts, "; or ")
}

// refusing loads no reference that leads out of a schema. Names that are no addresses get a schema that admits
// everything, as with Helm.
type refusing struct{}

// Load implements jsonschema.URLLoader.
func (refusing) Load(url string) (any, error) {
	if strings.HasPrefix(url, "urn:") {
		return true, nil
	}
	const longest = 200
	if len(url) > longest {
		url = url[:longest] + "…"
	}
	return nil, fmt.Errorf("the schema refers to %q; references to files and addresses outside of a schema are refused",
		url)
}
