package install

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

func options() Options {
	return Options{Image: "registry.example.com:5000/fairlead:v1", Version: "v1.2.3", Sync: &Sync{
		URL: "https://git.example.com/fleet", Branch: "live", Path: "clusters/one", Secret: "login", Interval: time.Minute,
	}}
}

func TestFilesDependOnTheOptionsAlone(t *testing.T) {
	t.Parallel()
	first, err := options().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := options().Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 2 {
		t.Errorf("there are %d files", len(first))
	}
	for name := range first {
		if !bytes.Equal(first[name], second[name]) {
			t.Errorf("%s is not the same twice", name)
		}
	}
	for _, want := range []string{"image: registry.example.com:5000/fairlead:v1", VersionAnnotation + ": v1.2.3", "name: fairlead-release-admin"} {
		if !bytes.Contains(first[componentsFile], []byte(want)) {
			t.Errorf("%s lacks %q", componentsFile, want)
		}
	}
	for _, want := range []string{"url: https://git.example.com/fleet", "branch: live", "path: ./clusters/one", "name: login", "deletionPolicy: Orphan"} {
		if !bytes.Contains(first[syncFile], []byte(want)) {
			t.Errorf("%s lacks %q", syncFile, want)
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	o := options()
	o.NoClusterAdmin = true
	objects, err := o.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, object := range objects {
		if object.GetLabels()[v1beta1.KustomizationNameLabel] != Root || object.GetLabels()[v1beta1.KustomizationNamespaceLabel] != Namespace {
			t.Errorf("%s has no owner", nameOf(object.Unstructured))
		}
		if object.GetName() == clusterAdmin {
			t.Error("the binding to cluster-admin is there")
		}
		disabled := object.GetAnnotations()[v1beta1.PruneAnnotation] == v1beta1.Disabled
		if kind := object.GetKind(); disabled != (kind == "CustomResourceDefinition" || kind == "Namespace") {
			t.Errorf("%s is kept: %t", nameOf(object.Unstructured), disabled)
		}
		if disabled {
			kept++
		}
	}
	if kept < 7 {
		t.Errorf("only %d objects are kept from being pruned", kept)
	}
}

func TestImageOf(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("a", 64)
	for text, want := range map[string]v1beta1.Image{
		"fairlead:v1":                          {NewName: "fairlead", NewTag: "v1"},
		"localhost:5000/a/fairlead:v1":         {NewName: "localhost:5000/a/fairlead", NewTag: "v1"},
		"localhost:5000/fairlead@" + digest:    {NewName: "localhost:5000/fairlead", Digest: digest},
		"localhost:5000/fairlead:v1@" + digest: {NewName: "localhost:5000/fairlead", NewTag: "v1", Digest: digest},
	} {
		want.Name = placeholder
		if got, err := imageOf(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "fairlead", "localhost:5000/fairlead", "fair lead:v1", ":v1", "a:v1\nb: c"} {
		if got, err := imageOf(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

// Comments, empty documents and lists are read; a file above the bound is not.
func TestRead(t *testing.T) {
	t.Parallel()
	objects, err := read("a.yaml", []byte(`# A comment.
---
---
{apiVersion: v1, kind: Namespace, metadata: {name: a}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: b, namespace: a}, spec: {ports: [{port: 80}]}}
`))
	if err != nil || len(objects) != 2 || nameOf(objects[0]) != "Namespace a" || nameOf(objects[1]) != "Service a/b" {
		t.Errorf("objects %v, error %v", objects, err)
	}
	if _, err := read("a.yaml", make([]byte, maxFile+1)); err == nil || !strings.Contains(err.Error(), "a.yaml has 4194305 bytes, at most 4194304 are read") {
		t.Errorf("error %v", err)
	}
	if _, err := read("a.yaml", []byte("a: [")); err == nil || !strings.Contains(err.Error(), "a.yaml") {
		t.Errorf("error %v", err)
	}
}

// What is removed goes in the reverse of the order in which it came, but for the definitions, with which their
// objects go.
func TestOrderOfRemoval(t *testing.T) {
	t.Parallel()
	objects, err := everything(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, object := range inOrderOfRemoval(objects) {
		if len(kinds) == 0 || kinds[len(kinds)-1] != object.GetKind() {
			kinds = append(kinds, object.GetKind())
		}
	}
	want := []string{
		"CustomResourceDefinition", "NetworkPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "Deployment", "Service",
		"RoleBinding", "Role", "ServiceAccount", "ClusterRoleBinding", "ClusterRole", "Namespace",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("the order is %v, want %v", kinds, want)
	}
}
