package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

func builtFrom(t *testing.T, documents ...string) []apply.Object {
	t.Helper()
	out := make([]apply.Object, 0, len(documents))
	for _, document := range documents {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		out = append(out, apply.Object{Unstructured: o})
	}
	return out
}

// What a Kustomization declares is read as it declares it, with the status that the cluster has; the rest is read from
// the cluster.
func TestBuiltReader(t *testing.T) {
	t.Parallel()
	live := charts()
	live.Spec.SecretRef = &v1beta1.LocalObjectReference{Name: "pull"}
	former := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "login", UID: "s1"},
		Data: map[string][]byte{"old": []byte("1"), "password": []byte("1")}}
	other := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "other"}, Data: map[string]string{"a": "cluster"},
	}
	reader := builtReader{
		Reader:    world{objects: []client.Object{live, former, other}}.client(t),
		namespace: "web",
		objects: builtFrom(t,
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new-abc}\ndata: {a: declared}",
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: elsewhere}\ndata: {a: declared}",
			"apiVersion: v1\nkind: Secret\nmetadata: {name: login}\ndata: {b64: Mg==}\nstringData: {password: \"2\"}",
			"apiVersion: fairlead.dev/v1beta1\nkind: HelmRepository\nmetadata: {name: charts}\n"+
				"spec: {url: https://new.example.com}",
		),
	}
	get := func(name string, object client.Object) {
		t.Helper()
		if err := reader.Get(t.Context(), types.NamespacedName{Namespace: "web", Name: name}, object); err != nil {
			t.Fatal(err)
		}
	}

	var generated, untouched corev1.ConfigMap
	get("new-abc", &generated)
	get("other", &untouched)
	if generated.Data["a"] != "declared" || generated.Namespace != "web" || untouched.Data["a"] != "cluster" {
		t.Errorf("the ConfigMaps are %v in %q and %v", generated.Data, generated.Namespace, untouched.Data)
	}

	var login corev1.Secret
	get("login", &login)
	data := map[string][]byte{"b64": []byte("2"), "password": []byte("2")}
	if diff := cmp.Diff(data, login.Data); diff != "" || login.UID != "s1" {
		t.Errorf("the Secret has the UID %q and (-want +got)\n%s", login.UID, diff)
	}

	var repository v1beta1.HelmRepository
	get("charts", &repository)
	if diff := cmp.Diff(v1beta1.HelmRepositorySpec{URL: "https://new.example.com"}, repository.Spec); diff != "" {
		t.Errorf("the spec of the source (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(live.GetArtifact().Digest, repository.GetArtifact().Digest); diff != "" {
		t.Errorf("the artifact of the source (-want +got)\n%s", diff)
	}

	err := reader.Get(t.Context(), types.NamespacedName{Namespace: "web", Name: "none"}, &corev1.ConfigMap{})
	if client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("of what is nowhere, the error is %v", err)
	}
}
