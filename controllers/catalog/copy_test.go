package catalog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/attest"
	"fairlead.dev/fairlead/test/servers"
)

// copies is a chart in one registry, which is copied to another that wants credentials.
type copies struct {
	*testing.T
	*Catalog
	from, to *servers.RegistryServer
	want     Copy
}

func newCopies(t *testing.T, signed bool) *copies {
	t.Helper()
	serve := func(o servers.Options) *servers.RegistryServer {
		server, err := servers.Registry(t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		return server
	}
	c := &copies{T: t, from: serve(servers.Options{}), to: serve(servers.Options{Username: "team", Password: "right"})}
	archive, err := servers.BuildChart(map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.from.PushChart(t.Context(), "dev", archive)
	signer, also := servers.NewSigner()
	if err := errors.Join(err, also); err != nil {
		t.Fatal(err)
	}
	if signed {
		if err := signer.Sign(t.Context(), c.from, "dev/web", digest); err != nil {
			t.Fatal(err)
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cryptoutils.MarshalPrivateKeyToPEM(private)
	public, also := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err := errors.Join(err, also); err != nil {
		t.Fatal(err)
	}
	secret := func(name string, data map[string][]byte) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: name}, Data: data}
	}
	objects := newClient(t, credentials("right"), secret("team", map[string][]byte{"team.pub": signer.Public}),
		secret("attests", map[string][]byte{"a.key": key, "a.pub": public}),
		secret("broken", map[string][]byte{"a.key": nil}),
		secret("wrong", credentials("wrong hunter2").Data))
	c.Catalog = NewCatalog(objects, objects, newStore(t))
	c.want = Copy{
		Namespace: "apps", Field: "stages[prod].deliver.copy", Version: "1.0.0", Digest: digest,
		From: v1beta1.OCIRepositorySpec{URL: "oci://" + c.from.Host() + "/dev/web", Insecure: true},
		To: v1beta1.StageCopy{
			URL: "oci://" + c.to.Host() + "/prod/web", Insecure: true, SecretRef: ref("key"),
			Verify: &v1beta1.Verification{SecretRef: ref("team")},
			Attest: &v1beta1.StageAttest{SecretRef: *ref("attests")},
		},
		Promotion: attest.Promotion{
			Namespace: "apps", Pipeline: "shop", Stage: "prod", Verified: []attest.Stage{{Name: "staging", At: now}},
		},
	}
	return c
}

func ref(name string) *v1beta1.LocalObjectReference { return &v1beta1.LocalObjectReference{Name: name} }

// writes are what the destination was asked to write.
func (c *copies) writes() int {
	n := c.to.Requests()
	return n["PUT"] + n["POST"] + n["PATCH"] + n["DELETE"]
}

// required is an OCIRepository of the destination that asks for statements.
func (c *copies) required(change func(*v1beta1.RequiredAttestation)) Polled {
	c.Helper()
	repository := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "web"}}
	repository.Spec.URL, repository.Spec.Insecure, repository.Spec.SecretRef = c.want.To.URL, true, ref("key")
	repository.Spec.Reference = &v1beta1.OCIRepositoryRef{SemVer: "*"}
	want := v1beta1.RequiredAttestation{Stage: "staging", SecretRef: *ref("attests")}
	change(&want)
	repository.Spec.Attestations = []v1beta1.RequiredAttestation{want}
	return c.Poll(c.Context(), repository, nil)
}

// A chart is copied with credentials, its signature is found at the destination, and the statement of the stage is
// beside it. Another copy writes nothing. An OCIRepository that asks for the statement takes the chart, and one that
// asks for another does not.
func TestCopyWithAttestation(t *testing.T) {
	t.Parallel()
	c := newCopies(t, true)
	copied, err := c.Copy(t.Context(), c.want)
	if err != nil || !copied.Attested || !strings.Contains(copied.SignedBy, "team.pub") {
		t.Fatalf("copied %+v, %v", copied, err)
	}
	c.to.Forget()
	again := c.want
	again.Promotion.Verified = []attest.Stage{{Name: "staging", At: now.Add(1)}}
	if copied, err := c.Copy(t.Context(), again); err != nil || !copied.Attested || c.writes() != 0 {
		t.Errorf("another copy is %+v, %v, with %d writes", copied, err, c.writes())
	}
	again.Promotion.Verified = append(again.Promotion.Verified, attest.Stage{Name: "qa", At: now})
	if _, err := c.Copy(t.Context(), again); err != nil || c.writes() == 0 {
		t.Errorf("a statement that says more is not written: %v", err)
	}
	for name, tt := range map[string]struct {
		change func(*v1beta1.RequiredAttestation)
		says   string // empty for one that is there
	}{
		"the stage":    {func(*v1beta1.RequiredAttestation) {}, ""},
		"the pipeline": {func(r *v1beta1.RequiredAttestation) { r.Pipeline, r.Namespace = "shop", "apps" }, ""},
		"a later one":  {func(r *v1beta1.RequiredAttestation) { r.Stage = "qa" }, ""},
		"another stage": {func(r *v1beta1.RequiredAttestation) { r.Stage = "dr" },
			"has no attestation that the chart was verified in stage dr"},
		"another pipeline": {func(r *v1beta1.RequiredAttestation) { r.Pipeline = "cart" },
			"it is of pipeline \"apps/shop\""},
		"another key": {func(r *v1beta1.RequiredAttestation) { r.SecretRef = *ref("team") },
			"none of the keys team.pub"},
		"no keys": {func(r *v1beta1.RequiredAttestation) { r.SecretRef = *ref("key") }, "has no public key"},
		"no Secret": {func(r *v1beta1.RequiredAttestation) { r.SecretRef = *ref("gone") },
			"Secret apps/gone of spec.attestations[].secretRef"},
		"another type": {func(r *v1beta1.RequiredAttestation) {
			r.Stage, r.PredicateType = "", "https://slsa.dev/provenance/v1"
		}, "of type https://slsa.dev/provenance/v1"},
	} {
		found := c.required(tt.change)
		switch {
		case tt.says == "" && (found.Err != nil || !found.Verify || !strings.Contains(found.Signed, "key a.pub")):
			t.Errorf("%s: %v, signed %q", name, found.Err, found.Signed)
		case tt.says != "" && (found.Err == nil || !strings.Contains(found.Err.Error(), tt.says)):
			t.Errorf("%s: got %v, want %q", name, found.Err, tt.says)
		}
	}
}

// What is wrong with a copy is said with the Secret that is concerned, and never with what is in it.
func TestCopiesThatFail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change  func(*Copy)
		reason  string
		says    string
		rejects string
	}{
		"a Secret that is missing": {func(c *Copy) { c.To.SecretRef = ref("gone") }, v1beta1.AuthenticationFailedReason,
			"Secret apps/gone of spec.stages[prod].deliver.copy.secretRef", ""},
		"another password": {func(c *Copy) { c.To.SecretRef = ref("wrong") }, v1beta1.AuthenticationFailedReason,
			"Secret apps/wrong of spec.stages[prod].deliver.copy", ""},
		"no credentials": {func(c *Copy) { c.To.SecretRef = nil }, v1beta1.AuthenticationFailedReason,
			"spec.stages[prod].deliver.copy names no Secret", ""},
		"no signature": {func(c *Copy) { c.To.Verify.SecretRef = ref("team") }, v1beta1.VerificationFailedReason,
			"has no signature", v1beta1.VerificationFailedReason},
		"no keys": {func(c *Copy) { c.To.Verify.SecretRef = ref("key") }, v1beta1.VerificationFailedReason,
			"no public key", ""},
		"no private key": {func(c *Copy) {
			c.To.Verify = nil
			c.To.Attest.SecretRef = *ref("team")
		}, v1beta1.AuthenticationFailedReason, "Secret apps/team of spec.stages[prod].deliver.copy.attest.secretRef",
			""},
		"a broken private key": {func(c *Copy) {
			c.To.Verify = nil
			c.To.Attest.SecretRef = *ref("broken")
		}, v1beta1.AuthenticationFailedReason, "no private key in PEM", ""},
		"an invalid URL": {func(c *Copy) { c.To.URL = "oci://UPPER" }, v1beta1.URLInvalidReason, "host/path", ""},
		"a source that is not supported": {func(c *Copy) { c.From.Provider = "aws" }, v1beta1.UnsupportedReason,
			"spec.provider aws", ""},
		"a source that lost it": {func(c *Copy) { c.Digest = "sha256:" + strings.Repeat("0", 64) },
			v1beta1.NotFoundReason, "no longer has it", RejectedGone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCopies(t, false)
			tt.change(&c.want)
			_, err := c.Copy(t.Context(), c.want)
			if sources.Reason(err) != tt.reason || !strings.Contains(err.Error(), tt.says) || Rejects(err) != tt.rejects {
				t.Errorf("got %v, with reason %s, which rejects by %q", err, sources.Reason(err), Rejects(err))
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the message shows the password: %v", err)
			}
			for _, line := range c.to.Seen() {
				if strings.HasPrefix(line, "PUT") && strings.HasSuffix(line, "/manifests/1.0.0") {
					t.Errorf("the tag was written: %s", line)
				}
			}
		})
	}
}
