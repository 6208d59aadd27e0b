package catalog

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/test/servers"
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
		{v1beta1.HelmRepositoryKind, "http", v1beta1.AuthenticationFailedReason,
			"Secret apps/keys of spec.verify.secretRef does not exist"},
		{v1beta1.OCIRepositoryKind, "registry", v1beta1.AuthenticationFailedReason,
			"Secret apps/keys of spec.verify.secretRef does not exist"},
		{v1beta1.OCIRepositoryKind, "gone", v1beta1.SourceNotFoundReason, "does not exist"},
	} {
		choice := ChartRef{Kind: tt.kind, Namespace: "apps", Name: tt.name, Chart: "web"}
		_, err := c.Signed(t.Context(), choice, "sha256:1", verify)
		if err == nil || sources.Reason(err) != tt.reason || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %s, %v", tt.name, sources.Reason(err), err)
		}
	}
}

// A chart of a repository with an index is signed by its provenance file. A signature of cosign can never count there,
// and a chart without a file has none; an archive that upstream no longer has says nothing against its signature.
func TestSignedArchives(t *testing.T) {
	t.Parallel()
	packager, err := servers.NewPackager()
	if err != nil {
		t.Fatal(err)
	}
	server, err := servers.ChartRepository(servers.ChartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	one, two := archiveOf(t, "1.0.0"), archiveOf(t, "2.0.0")
	file, err := packager.Sign(one)
	if err != nil {
		t.Fatal(err)
	}
	for _, archive := range [][]byte{one, two} {
		if err := server.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	server.AddProvenance("web", "1.0.0", file)
	secret := &corev1.Secret{Data: map[string][]byte{"team.asc": packager.Armored, "team.pub": nil}}
	secret.Namespace, secret.Name, secret.UID = "apps", "team", "1"
	source := repository(func(r *v1beta1.HelmRepository) { r.Spec.URL = server.URL() })
	first := newCatalog(t, source, secret)
	polled := first.Poll(t.Context(), source, []ChartRef{anyWeb})
	if polled.Err != nil {
		t.Fatal(polled.Err)
	}
	source.ResourceVersion, source.Status.Artifact = "", &polled.Artifact
	c := newCatalog(t, source, secret)
	if again := c.Poll(t.Context(), source, []ChartRef{anyWeb}); again.Err != nil {
		t.Fatal(again.Err)
	}
	for _, tt := range []struct {
		name, provider, digest, reason, says string
	}{
		{"signed", v1beta1.VerifyHelm, digestOf(one), "", "web 1.0.0, " + digestOf(one) + ", by "},
		{"not signed", v1beta1.VerifyHelm, digestOf(two), v1beta1.VerificationFailedReason, "has no provenance file"},
		{"gone", v1beta1.VerifyHelm, digest2, v1beta1.SourceNotReadyReason, "has no archive " + digest2 + " any more"},
		{"by cosign", v1beta1.VerifyCosign, digestOf(one), v1beta1.VerificationFailedReason, ""},
	} {
		v := &v1beta1.Verification{Provider: tt.provider, SecretRef: &v1beta1.LocalObjectReference{Name: "team"}}
		by, err := c.Signed(t.Context(), anyWeb, tt.digest, v)
		if sources.Reason(err) != tt.reason || (err == nil) == (tt.reason != "") {
			t.Errorf("%s: %q, %s: %v", tt.name, by, sources.Reason(err), err)
		}
		if text := fmt.Sprint(by, err); !strings.Contains(text, tt.says) {
			t.Errorf("%s: it says %s", tt.name, text)
		}
	}
}
