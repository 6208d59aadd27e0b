// Command apiref writes what is generated from the CustomResourceDefinitions: a page of reference and a JSON schema for
// each kind.
//
//	config/crd/*.yaml ──> docs/api/KIND.md         every field with type, default, bounds and description
//	                 └──> docs/schemas/KIND.json   a JSON schema (draft 7) for editors
//
// The definitions themselves are generated from the Go types, so the comments of the fields are the text of the pages.
//
//	apiref --crds config/crd --pages docs/api --schemas docs/schemas
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	crds := flag.String("crds", "", "directory of the CustomResourceDefinitions")
	pages := flag.String("pages", "", "directory for the pages; other pages in it are removed")
	schemas := flag.String("schemas", "", "directory for the JSON schemas; other schemas in it are removed")
	flag.Parse()
	if err := run(*crds, *pages, *schemas); err != nil {
		fmt.Fprintln(os.Stderr, "apiref:", err)
		os.Exit(1)
	}
}

// run writes both directories from the definitions in crds.
func run(crds, pages, schemas string) error {
	if crds == "" || pages == "" || schemas == "" {
		return errors.New("--crds, --pages and --schemas are needed")
	}
	definitions, err := load(crds)
	if err != nil {
		return err
	}
	pageOf := map[string][]byte{"README.md": index(definitions)}
	schemaOf := map[string][]byte{}
	for _, crd := range definitions {
		name := strings.ToLower(crd.Spec.Names.Kind)
		pageOf[name+".md"] = page(crd)

		text, err := jsonSchema(crd)
		if err != nil {
			return fmt.Errorf("schema of %s: %w", crd.Spec.Names.Kind, err)
		}
		schemaOf[name+".json"] = text
	}
	if err := replace(pages, ".md", pageOf); err != nil {
		return err
	}
	return replace(schemas, ".json", schemaOf)
}

// load reads the definitions of a directory, sorted by kind.
func load(dir string) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	files, err := filepath.Glob(filepath.Join(dir, "fairlead.dev_*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no definitions", dir)
	}
	var definitions []*apiextensionsv1.CustomResourceDefinition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(text, crd); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(crd.Spec.Versions) != 1 {
			return nil, fmt.Errorf("%s: %d versions, only definitions with one are supported", file, len(crd.Spec.Versions))
		}
		definitions = append(definitions, crd)
	}
	slices.SortFunc(definitions, func(a, b *apiextensionsv1.CustomResourceDefinition) int {
		return strings.Compare(a.Spec.Names.Kind, b.Spec.Names.Kind)
	})
	return definitions, nil
}

// replace makes the files of a directory with one extension those of the map, by name.
func replace(dir, extension string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	stale, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil {
		return err
	}
	for _, path := range stale {
		if _, keep := files[filepath.Base(path)]; keep {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
