package rendering

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// schemaURL is what Helm calls the schema of a chart; messages are without it.
const schemaURL = "file:///values.schema.json"

// checkSchemas checks the values of a chart and its subcharts against their schemas, as Helm does, but for references: Helm would read
// files of this machine and addresses that nobody checks.
func checkSchemas(c *chart.Chart, values map[string]any) error {
	var problems strings.Builder
	if c.Schema != nil {
		if err := checkSchema(c.Schema, values); err != nil {
			fmt.Fprintf(&problems, "%s:\n%s", c.Name(), err)
		}
	}
	for _, sub := range c.Dependencies() {
		raw, exists := values[sub.Name()]
		if !exists || raw == nil {
			continue
		}
		var own map[string]any
		switch v := raw.(type) {
		case map[string]any:
			own = v
		case chartutil.Values:
			own = v
		default:
			fmt.Fprintf(&problems, "%s:\ninvalid type for values: expected object (map), got %T\n", sub.Name(), raw)
			continue
		}
		if err := checkSchemas(sub, own); err != nil {
			problems.WriteString(err.Error())
		}
	}
	if problems.Len() == 0 {
		return nil
	}
	return errors.New(problems.String())
}

func checkSchema(text []byte, values map[string]any) error {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(refusing{})
	if err := compiler.AddResource(schemaURL, schema); err != nil {
		return err
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return err
	}
	if values == nil {
		values = map[string]any{}
	}
	if err := compiled.Validate(values); err != nil {
		text := strings.TrimPrefix(err.Error(), "jsonschema validation failed with '"+schemaURL+"#'\n")
		return errors.New(text + "\n")
	}
	return nil
}

// refusing loads no reference that leads out of a schema. Names that are no addresses get a schema that admits everything, as with Helm.
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
	return nil, fmt.Errorf("the schema refers to %q; references to files and addresses outside of a schema are refused", url)
}
