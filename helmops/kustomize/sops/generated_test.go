package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

// generated is a line of testdata/generated.jsonl, which test/tools/sopsfiles wrote with the library of SOPS 3.13.3.
type generated struct {
	Name             string
	Encrypted, Plain []byte
	Objects          []json.RawMessage
}

func generatedFiles(t *testing.T) []generated {
	t.Helper()
	name := "testdata/generated.jsonl"
	if other := os.Getenv("SOPS_FILES"); other != "" {
		name = other // those of another seed
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}

	var out []generated
	for decoder := json.NewDecoder(bytes.NewReader(content)); decoder.More(); {
		var g generated
		if err := decoder.Decode(&g); err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

// Random files of every store come out byte for byte as SOPS prints them.
func TestGeneratedFilesAreAsSOPSPrintsThem(t *testing.T) {
	t.Parallel()
	k := keys(t, "key.agekey")
	stores, lost := map[string]int{}, 0
	for _, g := range generatedFiles(t) {
		stores[path.Ext(g.Name)]++
		got, err := k.Decrypt(g.Name, g.Encrypted)
		if path.Ext(g.Name) == ".json" && bytes.Contains(g.Plain, []byte(`\ufffd`)) {
			if err == nil {
				t.Errorf("%s: bytes that JSON cannot have became %s", g.Name, got)
			}
			continue // SOPS changes them without a word
		}
		if err != nil {
			t.Errorf("%s: %v", g.Name, err)
			continue
		}
		if path.Ext(g.Name) == ".yaml" && losesText(t, k, g.Encrypted) {
			if bytes.Equal(got, g.Plain) {
				t.Errorf("%s: a text is lost, as by SOPS: %s", g.Name, got)
			}
			lost++
			if isYAML(g.Plain) {
				sameValues(t, g, got)
			}
			continue
		}
		if !bytes.Equal(got, g.Plain) {
			t.Errorf("%s:\n%s", g.Name, cmp.Diff(string(g.Plain), string(got)))
		}
	}
	if lost == 0 || lost > stores[".yaml"]/3 {
		t.Errorf("%d of %d YAML files have texts that SOPS loses", lost, stores[".yaml"])
	}
	for _, store := range []string{".yaml", ".json", ".env", ".ini", ".txt"} {
		if stores[store] < 20 {
			t.Errorf("only %d files of the store %s were tried", stores[store], store)
		}
	}
}

// The objects in random files have the values that were encrypted, whichever version of YAML reads them.
func TestGeneratedObjectsHaveTheirValues(t *testing.T) {
	t.Parallel()
	k := keys(t, "key.agekey")
	tried := 0
	for _, g := range generatedFiles(t) {
		if len(g.Objects) == 0 {
			continue
		}
		tried++
		got, err := k.DecryptObjects(g.Name, g.Encrypted)
		if err != nil {
			t.Errorf("%s: %v", g.Name, err)
			continue
		}
		sameValues(t, g, got)
	}
	if tried < 25 {
		t.Errorf("only %d files were tried", tried)
	}
}

// sameValues compares the documents that are not empty with those that were encrypted, when JSON can have these.
func sameValues(t *testing.T, g generated, text []byte) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for i, object := range g.Objects {
		var node yaml.Node
		for node.IsZero() || len(node.Content[0].Content) == 0 {
			node = yaml.Node{}
			if err := decoder.Decode(&node); err != nil {
				t.Errorf("%s: document %d: %v", g.Name, i, err)
				return
			}
		}
		for version, read := range map[string]func(*yaml.Node) (any, error){"1.1": version11, "1.2": version12} {
			is, err := read(&node)
			if err != nil {
				t.Errorf("%s: document %d, YAML %s: %v", g.Name, i, version, err)
				continue
			}
			if diff := cmp.Diff(jsonOf(t, object), is); diff != "" {
				t.Errorf("%s: document %d, YAML %s (-want +got):\n%s", g.Name, i, version, diff)
			}
		}
	}
}

// isYAML reports whether a text can be read: SOPS writes comments as they are, also with control characters.
func isYAML(text []byte) bool {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// losesText reports whether SOPS prints null for a text of a file: its library cannot read the text as it writes it.
func losesText(t *testing.T, k *Keys, encrypted []byte) bool {
	t.Helper()
	documents, err := k.yaml(encrypted)
	if err != nil {
		t.Fatal(err)
	}
	var loses func(value any) bool
	loses = func(value any) bool {
		switch value := value.(type) {
		case branch:
			return slices.ContainsFunc(value, func(e entry) bool {
				return e.comment == nil && (loses(e.key) || loses(e.value))
			})
		case list:
			return slices.ContainsFunc(value, loses)
		case string:
			return new(yaml.Node).Encode(value) != nil
		default:
			return false
		}
	}
	return slices.ContainsFunc(documents, func(b branch) bool { return loses(b) })
}

// version11 reads with the parser that Kubernetes uses, after a round through the other, as manifests are read.
func version11(n *yaml.Node) (any, error) {
	text, err := yaml.Marshal(n)
	if err != nil {
		return nil, err
	}
	text, err = kyaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return decodeJSON(text)
}

// version12 reads with the parser that kustomize uses.
func version12(n *yaml.Node) (any, error) {
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return decodeJSON(text)
}

func jsonOf(t *testing.T, text []byte) any {
	t.Helper()
	out, err := decodeJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// decodeJSON keeps whole numbers whole, and compares others as numbers.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var out any
	err := decoder.Decode(&out)
	return normal(out), err
}

func normal(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = normal(value[key])
		}
	case []any:
		for i := range value {
			value[i] = normal(value[i])
		}
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return whole
		}
		if number, err := value.Float64(); err == nil {
			return number
		}
	}
	return value
}
