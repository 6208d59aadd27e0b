package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

var root = filepath.Join("..", "..")

// What is committed is what the definitions give.
func TestTheReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	pages, schemas := t.TempDir(), t.TempDir()
	stale := filepath.Join(pages, "gone.md")
	if err := os.WriteFile(stale, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(filepath.Join(root, "config", "crd"), pages, schemas); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the page of a kind that no longer exists is kept")
	}
	same(t, pages, filepath.Join(root, "docs", "api"))
	same(t, schemas, filepath.Join(root, "docs", "schemas"))
}

func same(t *testing.T, made, committed string) {
	t.Helper()
	if got, want := names(t, committed), names(t, made); !slices.Equal(got, want) {
		t.Fatalf("%s has %v, want %v; run make generate", committed, got, want)
	}
	for _, name := range names(t, made) {
		if !bytes.Equal(content(t, filepath.Join(made, name)), content(t, filepath.Join(committed, name))) {
			t.Errorf("%s is not what the types give; run make generate", filepath.Join(committed, name))
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if len(found) < 12 {
		t.Fatalf("%s has only %v", dir, found)
	}
	return found
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A page has the type, the bounds, the default and the description of a field, and the rules of the kind.
func TestAPageHasWhatTheAPIServerChecks(t *testing.T) {
	t.Parallel()
	text := string(content(t, filepath.Join(root, "docs", "api", "helmrelease.md")))
	for _, want := range []string{
		"| `spec.interval` | string | default `\"1h\"`; pattern `",
		"one of `\"Delete\"`, `\"Orphan\"`",
		"| `spec.valuesFrom[].kind` |",
		"maxItems 64",
		"list: map by `type`",
		"exactly one of spec.chart and spec.chartRef must be set",
		"Values for the chart; they win over ValuesFrom.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/api/helmrelease.md has no %s", want)
		}
	}
}

// Editors accept every sample, and refuse fields and values that the API server drops or refuses.
func TestSchemasJudgeSamples(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(filepath.Join(root, "config", "samples"),
		func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			for _, document := range strings.Split(string(content(t, path)), "\n---\n") {
				object := map[string]any{}
				if err := yaml.Unmarshal([]byte(document), &object); err != nil {
					return err
				}
				version, _ := object["apiVersion"].(string)
				if !strings.HasPrefix(version, "fairlead.dev/") {
					continue
				}
				kind, _ := object["kind"].(string)
				seen++
				if err := schemaOf(t, kind).Validate(object); err != nil {
					t.Errorf("%s: %s", path, err)
				}
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Errorf("only %d objects were judged", seen)
	}
}

func TestSchemasRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	const good = `{"apiVersion":"fairlead.dev/v1beta1","kind":"HelmRelease","metadata":{"name":"a"},
	  "spec":{"chartRef":{"kind":"OCIRepository","name":"a"},"values":{"any":{"thing":1}}}}`
	for _, row := range []struct {
		what, old, now string
		ok             bool
	}{
		{"what is right", "", "", true},
		{"another kind", `"kind":"HelmRelease"`, `"kind":"HelmChart"`, false},
		{"an unknown field", `"values"`, `"valeus"`, false},
		{"a value that is none of the enumeration", `OCIRepository`, `Deployment`, false},
		{"a field of the wrong type", `"OCIRepository","name":"a"`, `"OCIRepository","name":1`, false},
	} {
		text := good
		if row.old != "" {
			before, after, _ := strings.Cut(good, row.old)
			text = before + row.now + after
		}
		object := map[string]any{}
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
		if err := schemaOf(t, "HelmRelease").Validate(object); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.what, err)
		}
	}
}

func schemaOf(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "docs", "schemas", strings.ToLower(kind)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
