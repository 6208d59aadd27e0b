package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

var update = flag.Bool("update", false, "write what is generated from the table of Flux fields")

// States of a field of Flux.
const (
	same        = "same"
	differs     = "differs"
	noEffect    = "no effect"
	unsupported = "unsupported"
)

// fluxField is one row of testdata/flux-fields.tsv: a field of a spec of Flux, and what becomes of it here.
type fluxField struct {
	kind, path, typ string
	enum            []string
	// state is empty for a field that only holds other fields.
	state string
	// values are those that the state holds for; none for all.
	values []string
	note   string
}

// fluxKinds are the kinds that exist here, in the order of the page.
var fluxKinds = []string{
	"HelmRelease", "Kustomization", "GitRepository", "HelmRepository", "OCIRepository", "Bucket", "HelmChart",
	"ArtifactGenerator", "ExternalArtifact", "Receiver",
}

func fluxFields(t *testing.T) []fluxField {
	t.Helper()
	var found []fluxField
	for _, line := range strings.Split(strings.TrimSpace(read(t, "test", "config", "testdata", "flux-fields.tsv")), "\n") {
		cells := append(strings.Split(line, "\t"), make([]string, 7)...)
		found = append(found, fluxField{
			kind: cells[0], path: cells[1], typ: cells[2], enum: list(cells[3]), state: cells[4], values: list(cells[5]),
			note: cells[6],
		})
	}
	return found
}

func list(cell string) []string {
	if cell == "" {
		return nil
	}
	return strings.Split(cell, "|")
}

// specSchemas are the schemas of the specs, by kind.
func specSchemas(t *testing.T) map[string]apiextensionsv1.JSONSchemaProps {
	t.Helper()
	found := map[string]apiextensionsv1.JSONSchemaProps{}
	for _, file := range glob(t, "config", "crd", "fairlead.dev_*.yaml") {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict([]byte(read(t, file[len(root)+1:])), crd); err != nil {
			t.Fatal(err)
		}
		found[crd.Spec.Names.Kind] = crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	}
	return found
}

// at returns the schema of a path like "valuesFrom[].name".
func at(schema apiextensionsv1.JSONSchemaProps, path string) (apiextensionsv1.JSONSchemaProps, bool) {
	for _, part := range strings.Split(path, ".") {
		name, isList := strings.CutSuffix(part, "[]")
		next, ok := schema.Properties[name]
		if !ok || isList && (next.Items == nil || next.Items.Schema == nil) {
			return next, false
		}
		if isList {
			next = *next.Items.Schema
		}
		schema = next
	}
	return schema, true
}

// anyType are fields of Flux that accept any type. Here they have to be objects; the page says so.
var anyType = []string{"HelmRelease values"}

func TestFluxFieldsAreInTheSchema(t *testing.T) {
	schemas := specSchemas(t)
	rows := fluxFields(t)
	if len(rows) != 401 {
		t.Errorf("the table has %d fields, Flux has 401", len(rows))
	}
	for _, row := range rows {
		schema, ok := at(schemas[row.kind], row.path)
		if !ok {
			t.Errorf("%s has no field %s", row.kind, row.path)
			continue
		}
		if schema.Type != row.typ && !slices.Contains(anyType, row.kind+" "+row.path) {
			t.Errorf("%s %s is of type %s, in Flux of type %s", row.kind, row.path, schema.Type, row.typ)
		}
		var accepted []string
		for _, value := range schema.Enum {
			var text string
			if err := json.Unmarshal(value.Raw, &text); err != nil {
				t.Fatal(err)
			}
			accepted = append(accepted, text)
		}
		if len(accepted) > 0 && len(row.enum) == 0 {
			t.Errorf("%s %s accepts only %v, Flux anything", row.kind, row.path, accepted)
		}
		for _, value := range row.enum {
			if len(accepted) > 0 && !slices.Contains(accepted, value) {
				t.Errorf("%s %s does not accept %s", row.kind, row.path, value)
			}
		}
	}
}

// Every row says what becomes of its field, unless others are below it.
func TestFluxFieldsHaveAState(t *testing.T) {
	rows := fluxFields(t)
	for i, row := range rows {
		if holdsOthers(rows, row) != (row.state == "") {
			t.Errorf("row %d: %s %s has the state %q", i+1, row.kind, row.path, row.state)
		}
		if row.state != "" && !slices.Contains([]string{same, differs, noEffect, unsupported}, row.state) {
			t.Errorf("row %d: the state %q of %s %s is not known", i+1, row.state, row.kind, row.path)
		}
		if row.note == "" && (row.state == differs || row.state == noEffect) {
			t.Errorf("row %d: %s %s is %q without a reason", i+1, row.kind, row.path, row.state)
		}
	}
}

func holdsOthers(rows []fluxField, row fluxField) bool {
	return slices.ContainsFunc(rows, func(other fluxField) bool {
		return other.kind == row.kind &&
			(strings.HasPrefix(other.path, row.path+".") || strings.HasPrefix(other.path, row.path+"[]"))
	})
}

// withField returns an object of a kind whose spec has one field.
func withField(t *testing.T, row fluxField, value any) v1beta1.Supporter {
	t.Helper()
	parts := strings.Split(row.path, ".")
	for _, part := range slices.Backward(parts) {
		if name, isList := strings.CutSuffix(part, "[]"); isList {
			value = map[string]any{name: []any{value}}
		} else {
			value = map[string]any{part: value}
		}
	}
	content := map[string]any{"spec": value}
	if row.kind == v1beta1.HelmRepositoryKind {
		value.(map[string]any)["type"] = v1beta1.HelmRepositoryTypeOCI
	}
	if row.kind != v1beta1.GitRepositoryKind {
		completeVerification(value)
	}
	object, err := scheme(t).New(v1beta1.GroupVersion.WithKind(row.kind))
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, object, true); err != nil {
		t.Fatalf("%s %s: %v", row.kind, row.path, err)
	}
	return object.(v1beta1.Supporter)
}

// completeVerification adds to a spec what one field of verify needs to be supported.
func completeVerification(spec any) {
	fields, _ := spec.(map[string]any)
	for name, field := range fields {
		verify, is := field.(map[string]any)
		if !is {
			continue
		}
		if name != "verify" {
			completeVerification(field)
			continue
		}
		_, matched := verify["matchOIDCIdentity"]
		_, rooted := verify["trustedRootSecretRef"]
		secret := map[string]any{"name": "x"}
		switch {
		case matched:
			verify["trustedRootSecretRef"] = secret
		case rooted:
			verify["matchOIDCIdentity"] = []any{map[string]any{"issuer": "x", "subject": "x"}}
		default:
			verify["secretRef"] = secret
		}
	}
}

// What the table calls unsupported is exactly what the controller refuses to work on, by the name of the field.
func TestUnsupportedFieldsAreNamed(t *testing.T) {
	for _, row := range fluxFields(t) {
		if row.typ != "string" || row.state == "" {
			continue
		}
		values := row.enum
		if len(values) == 0 {
			values = []string{"x"}
		}
		if row.path == "resources[].apiVersion" || row.path == "interval" || row.typ == "string" && isDuration(t, row) {
			continue
		}
		for _, value := range values {
			found := strings.Join(withField(t, row, value).Unsupported(), ", ")
			want := row.state == unsupported && (len(row.values) == 0 || slices.Contains(row.values, value))
			if got := found != ""; got != want {
				t.Errorf("%s %s %q: the controller finds %q, the table says %s %v", row.kind, row.path, value, found, row.state,
					row.values)
			}
			if name := topOf(row.path); want && !strings.Contains(strings.ReplaceAll(found, "[0]", "[]"), "spec."+name) {
				t.Errorf("%s %s %q: %q does not name the field", row.kind, row.path, value, found)
			}
		}
	}
}

// isDuration reports whether a field holds a duration, by its pattern.
func isDuration(t *testing.T, row fluxField) bool {
	t.Helper()
	schema, _ := at(specSchemas(t)[row.kind], row.path)
	return strings.Contains(schema.Pattern, "(ms|s|m")
}

// topOf is what a message names of a path: the first field that is not supported as a whole.
func topOf(path string) string {
	for _, top := range []string{"sts", "proxySecretRef", "oidcProviders"} {
		if strings.HasPrefix(path, top) {
			return top
		}
	}
	return path
}

const (
	fieldsBegin = "<!-- fields: written by `go test ./test/config -run Flux -update` from test/config/testdata/flux-fields.tsv -->\n"
	fieldsEnd   = "<!-- end of fields -->\n"
)

// The tables of the page are what the table of fields says.
func TestFluxFieldsAreDocumented(t *testing.T) {
	page := read(t, "docs", "flux-compatibility.md")
	before, rest, ok := strings.Cut(page, fieldsBegin)
	_, after, also := strings.Cut(rest, fieldsEnd)
	if !ok || !also {
		t.Fatal("docs/flux-compatibility.md has no place for the fields")
	}
	generated(t, before+fieldsBegin+fluxTables(t)+fieldsEnd+after, "docs", "flux-compatibility.md")
}

// generated holds a file against what it should be, or writes it.
func generated(t *testing.T, want string, path ...string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join(append([]string{root}, path...)...), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, read(t, path...)); diff != "" {
		t.Errorf("%s is not what -update writes (-want +got):\n%s", filepath.Join(path...), diff)
	}
}

func fluxTables(t *testing.T) string {
	t.Helper()
	rows := fluxFields(t)
	var out strings.Builder
	for _, kind := range fluxKinds {
		fmt.Fprintf(&out, "\n## %s\n\n| field | here | note |\n|---|---|---|\n", kind)
		known := map[string]bool{}
		for _, row := range rows {
			if row.kind != kind {
				continue
			}
			known[row.path] = true
			if row.state == "" {
				continue
			}
			state := row.state
			if len(row.values) > 0 {
				state += ": `" + strings.Join(row.values, "`, `") + "`"
			}
			fmt.Fprintf(&out, "| `%s` | %s | %s |\n", row.path, state, row.note)
		}
		own := map[string]bool{}
		for _, field := range fields(specs[kind], "") {
			if path := strings.TrimSuffix(field, "[]"); !known[path] {
				own[path] = true
			}
		}
		if len(own) > 0 {
			fmt.Fprintf(&out, "\nNot in Flux: `%s`.\n", strings.Join(slices.Sorted(maps.Keys(own)), "`, `"))
		}
	}
	return out.String() + "\n"
}
