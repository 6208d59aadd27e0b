// Package config holds the tests of what is installed and of what is written about it: manifests, charts, samples,
// docs.
package config

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

// root is the project's directory as seen from this package.
var root = filepath.Join("..", "..")

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func glob(t *testing.T, pattern ...string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append([]string{root}, pattern...)...))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s: %v", filepath.Join(pattern...), err)
	}
	return files
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(s), v1beta1.AddToScheme(s), apiextensionsv1.AddToScheme(s))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents splits a YAML stream; documents without content are left out.
func documents(t *testing.T, stream string) []string {
	t.Helper()
	var found []string
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(stream))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		var content any
		if err := yaml.Unmarshal(document, &content); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if content != nil {
			found = append(found, string(document))
		}
	}
}

// objects reads a YAML stream into typed objects. A field that a type does not have is an error.
func objects(t *testing.T, s *runtime.Scheme, stream string) []client.Object {
	t.Helper()
	var found []client.Object
	for _, document := range documents(t, stream) {
		meta := runtime.TypeMeta{}
		if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
			t.Fatal(err)
		}
		object, err := s.New(schema.FromAPIVersionAndKind(meta.APIVersion, meta.Kind))
		if err != nil {
			t.Errorf("%v in:\n%s", err, document)
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Errorf("%v in:\n%s", err, document)
			continue
		}
		found = append(found, object.(client.Object))
	}
	return found
}

// byName indexes objects by kind, namespace and name, and strips the labels: they say who installed the object.
func byName(t *testing.T, all []client.Object) map[string]client.Object {
	t.Helper()
	index := map[string]client.Object{}
	for _, object := range all {
		key := strings.Join([]string{object.GetObjectKind().GroupVersionKind().Kind, object.GetNamespace(), object.GetName()},
			"/")
		if index[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		object.SetLabels(nil)
		index[key] = object
	}
	return index
}

// kustomize builds a directory as kubectl apply -k does.
func kustomize(t *testing.T, path ...string) string {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).
		Run(filesys.MakeFsOnDisk(), filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(stream)
}

func get[T client.Object](t *testing.T, index map[string]client.Object, key string) T {
	t.Helper()
	object, ok := index[key].(T)
	if !ok {
		t.Fatalf("%s is missing; there are %d objects", key, len(index))
	}
	return object
}
