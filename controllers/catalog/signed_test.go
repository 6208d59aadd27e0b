package catalog

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// What cannot be verified by a stage is said; nothing of it counts as a bad signature.
func TestSignedSources(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1beta1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	http := &v1beta1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "http"}}
	http.Spec.URL = "https://charts.example.com"
	registry := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "registry"}}
	registry.Spec.URL = "oci://registry.example.com/web"
	objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(http, registry).Build()
	c := NewCatalog(objects, objects, nil)
	verify := &v1beta1.Verification{SecretRef: &v1beta1.LocalObjectReference{Name: "keys"}}
	for _, tt := range []struct {
		kind, name, reason, says string
	}{
		{v1beta1.HelmRepositoryKind, "http", v1beta1.UnsupportedReason, "is in no OCI registry"},
		{v1beta1.OCIRepositoryKind, "registry", v1beta1.AuthenticationFailedReason,
			"Secret apps/keys of spec.verify.secretRef does not exist"},
		{v1beta1.OCIRepositoryKind, "gone", v1beta1.SourceNotFoundReason, "does not exist"},
	} {
		choice := Choice{Kind: tt.kind, Namespace: "apps", Name: tt.name, Chart: "web"}
		_, err := c.Signed(t.Context(), choice, "sha256:1", verify)
		if err == nil || sources.Reason(err) != tt.reason || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %s, %v", tt.name, sources.Reason(err), err)
		}
	}
}
