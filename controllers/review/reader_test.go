package review

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// sideOf is a tree that declares objects.
func sideOf(config Config, objects ...map[string]any) *side {
	s := &side{runner: &runner{Config: config}, objects: map[objectKey]built{}}
	s.reader = reader{s}
	u := &unit{}
	for _, content := range objects {
		o := &unstructured.Unstructured{Object: content}
		s.objects[u.keyOf(o, "web")] = built{apply.Object{Unstructured: o}, u}
	}
	return s
}

func source(kind, url string, spec map[string]any) map[string]any {
	spec["url"] = url
	return map[string]any{
		"apiVersion": "fairlead.dev/v1beta1", "kind": kind, "metadata": map[string]any{"name": "x", "namespace": "web"}, "spec": spec,
	}
}

// Without a cluster a registry gets the credentials that the caller has for it, and for no other one.
func TestCredentialsOfTheCaller(t *testing.T) {
	t.Parallel()
	config := Config{DockerConfig: []byte(`{"auths":{"registry.example.com":{"username":"me","password":"hunter2"}}}`)}
	secretRef := map[string]any{"secretRef": map[string]any{"name": "registry"}}
	for url, has := range map[string]bool{
		"oci://registry.example.com/charts/shop": true, "oci://evil.example.com/charts/shop": false,
		"oci://registry.example.com.evil.com/x": false,
	} {
		s := sideOf(config, source(v1beta1.OCIRepositoryKind, url, secretRef))
		repository := &v1beta1.OCIRepository{}
		key := types.NamespacedName{Namespace: "web", Name: "x"}
		if err := s.reader.Get(t.Context(), key, repository); err != nil {
			t.Fatal(err)
		}
		if got := repository.Spec.SecretRef != nil; got != has {
			t.Errorf("%s gets credentials: %t", url, got)
		}
		notes := strings.Join(s.notes.sorted(), "\n")
		if !has {
			if !strings.Contains(notes, "OCIRepository web/x is fetched without credentials: its Secret is not in the tree") {
				t.Errorf("notes of %s: %q", url, notes)
			}
			continue
		}
		secret := &corev1.Secret{}
		key.Name = repository.Spec.SecretRef.Name
		if err := s.reader.Get(t.Context(), key, secret); err != nil || len(secret.Data[corev1.DockerConfigJsonKey]) == 0 {
			t.Errorf("the credentials: %v, %v", secret.Type, err)
		}
	}
}

// The keys of signatures are not known without a cluster: the review says that it does not check them.
func TestSignaturesWithoutKeys(t *testing.T) {
	t.Parallel()
	s := sideOf(Config{}, source(v1beta1.OCIRepositoryKind, "oci://registry.example.com/x", map[string]any{
		"verify": map[string]any{"provider": "cosign", "secretRef": map[string]any{"name": "keys"}},
	}))
	repository := &v1beta1.OCIRepository{}
	if err := s.reader.Get(t.Context(), types.NamespacedName{Namespace: "web", Name: "x"}, repository); err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(s.notes.sorted(), "\n")
	if repository.Spec.Verify != nil || !strings.Contains(notes, "the signatures of OCIRepository web/x are not checked") {
		t.Errorf("verify is %v, notes: %q", repository.Spec.Verify, notes)
	}
}
