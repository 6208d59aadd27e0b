package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/kubectl/pkg/cmd/get"
	"sigs.k8s.io/yaml"
)

// Output formats; the empty one is the table or the screen.
const (
	outputWide = "wide"
	outputName = "name"
	outputJSON = "json"
	outputYAML = "yaml"
	// The formats below take a template after an equals sign. A command that has JSON and YAML has them, too.
	outputJSONPath = "jsonpath"
	outputColumns  = "custom-columns"
	outputTemplate = "go-template"
)

var templateFormats = []string{outputJSONPath, outputColumns, outputTemplate}

// output is the value of -o.
type output struct {
	format string
	// noHeaders leaves the titles of tables out.
	noHeaders bool
	// printer prints the formats with a template, and names.
	printer printers.ResourcePrinter
}

// addOutputFlag adds -o with the formats that the command has.
func addOutputFlag(cmd *cobra.Command, formats ...string) *output {
	o := &output{}
	words := slices.Clone(formats)
	if slices.Contains(formats, outputJSON) && slices.Contains(formats, outputYAML) {
		formats = append(slices.Clone(formats), templateFormats...)
		for _, format := range templateFormats {
			words = append(words, format+"=…")
		}
	}

	cmd.Flags().StringVarP(&o.format, "output", "o", "", "output format: "+strings.Join(words, ", "))
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	previous := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		format, template, has := strings.Cut(o.format, "=")
		switch {
		case o.format == "":
		case !slices.Contains(formats, format) || has && !slices.Contains(templateFormats, format):
			return usagef(cmd, "unknown output format %q; formats: %s", o.format, strings.Join(words, ", "))
		default:
			if err := o.prepare(format, template); err != nil {
				return usagef(cmd, "-o %s: %s", format, oneLine(err.Error()))
			}
		}

		if previous != nil {
			return previous(cmd, args)
		}

		return nil
	}
	return o
}

// addHeadersFlag adds --no-headers to a command that prints tables.
func addHeadersFlag(cmd *cobra.Command, o *output) {
	cmd.Flags().BoolVar(&o.noHeaders, "no-headers", false, "leave the titles of tables out")
}

// prepare reads the format and the template that belongs to it.
func (o *output) prepare(format, template string) error {
	o.format = format
	if slices.Contains(templateFormats, format) && template == "" {
		return fmt.Errorf("the template is missing; write for example %s", exampleTemplates[format])
	}

	switch format {
	case outputName:
		o.printer = &printers.NamePrinter{}
	case outputJSONPath:
		printer, err := printers.NewJSONPathPrinter(template)
		if err != nil {
			return err
		}

		printer.AllowMissingKeys(true)
		o.printer = printer
	case outputTemplate:
		printer, err := printers.NewGoTemplatePrinter([]byte(template))
		if err != nil {
			return err
		}

		printer.AllowMissingKeys(true)
		o.printer = printer
	case outputColumns:
		printer, err := get.NewCustomColumnsPrinterFromSpec(template, nil, o.noHeaders)
		if err != nil {
			return err
		}

		o.printer = printer
	}

	return nil
}

var exampleTemplates = map[string]string{
	outputJSONPath: "jsonpath='{.items[*].name}'",
	outputTemplate: "go-template='{{range .items}}{{.name}}{{end}}'",
	outputColumns:  "custom-columns=NAME:.name,PHASE:.phase",
}

// machine reports whether the output is for programs.
func (o *output) machine() bool { return o.format != "" && o.format != outputWide }

// wide reports whether the table has all its columns.
func (o *output) wide() bool { return o.format == outputWide }

// printedName is an object in the output format name.
type printedName struct {
	group, kind, name string
}

// write prints the value for programs. All formats have the same fields, but for the format name, which prints the
// names.
func (o *output) write(w io.Writer, value any, names ...printedName) error {
	switch o.format {
	case outputName:
		return o.writeNames(w, names)
	case outputJSON, outputYAML:
		data, err := encode(o.format, value)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.format, err)
		}

		_, err = w.Write(data)
		return err
	}

	object, err := printable(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", o.format, err)
	}
	if err := o.printer.PrintObj(object, w); err != nil {
		return fmt.Errorf("write %s: %w", o.format, err)
	}

	return nil
}

func (o *output) writeNames(w io.Writer, names []printedName) error {
	for _, n := range names {
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: n.name}}
		object.SetGroupVersionKind(schema.GroupVersionKind{Group: n.group, Version: "v1", Kind: n.kind})
		if err := o.printer.PrintObj(object, w); err != nil {
			return fmt.Errorf("write the name of %s %s: %w", n.kind, n.name, err)
		}
	}
	return nil
}

// encode writes a value as JSON or YAML.
func encode(format string, value any) ([]byte, error) {
	if format == outputYAML {
		return yaml.Marshal(value)
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return buffer.Bytes(), err
}

// printable is a value as the printers of kubectl take it, with the fields that JSON has.
func printable(value any) (runtime.Object, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}

	content := map[string]any{}
	if err := utiljson.Unmarshal(data, &content); err != nil {
		return nil, err
	}

	items, isList := content["items"].([]any)
	if !isList {
		return &unstructured.Unstructured{Object: content}, nil
	}

	list := &unstructured.UnstructuredList{Object: map[string]any{}}
	for _, item := range items {
		fields, is := item.(map[string]any)
		if !is {
			return &unstructured.Unstructured{Object: content}, nil
		}

		list.Items = append(list.Items, unstructured.Unstructured{Object: fields})
	}

	for field, value := range content {
		if field != "items" {
			list.Object[field] = value
		}
	}

	return list, nil
}

// table makes a table whose states have colours on a terminal.
func (a *app) table(out *output, columns ...column) *table {
	return &table{columns: columns, headless: out.noHeaders, paint: a.paintCell}
}
