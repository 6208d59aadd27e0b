package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/promotion"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// far is another cluster with a controller of its own, which follows the repository that a pipeline copies to.
type far struct {
	*remote
	source  *v1beta1.OCIRepository
	release *v1beta1.HelmRelease
}

// copied are a pipeline of dev, prod and mirror, where prod is a registry without the referrers API that wants
// credentials, and mirror one with that API.
type copied struct {
	*promoting
	prod, mirror *servers.RegistryServer
	signer       *servers.Signer
	// key is the public key of the statements of prod.
	key []byte
}

func newCopied(t *testing.T) *copied {
	t.Helper()
	signer, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	prod, err := servers.Registry(t.TempDir(), servers.Options{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = prod.Close() })
	mirror, err := servers.Registry(t.TempDir(), servers.Options{Referrers: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mirror.Close() })
	deliver := func(server *servers.RegistryServer, secret *v1beta1.LocalObjectReference) *v1beta1.StageDeliver {
		return &v1beta1.StageDeliver{Copy: &v1beta1.StageCopy{
			URL: "oci://" + server.Host() + "/charts/sample", Insecure: true, SecretRef: secret,
			Tag: "stable", Channel: true,
			Verify: &v1beta1.Verification{Provider: v1beta1.VerifyCosign, SecretRef: local("keys")},
		}}
	}
	p := newPipeline(t, func(p *v1beta1.ReleasePipeline) {
		p.Spec.Stages = []v1beta1.PipelineStage{
			{Name: "dev"}, {Name: "prod", Deliver: deliver(prod, local("push"))},
			{Name: "mirror", Deliver: deliver(mirror, nil)},
		}
		p.Spec.Stages[1].Deliver.Copy.Attest = &v1beta1.StageAttest{SecretRef: *local("attests")}
	})
	private, public := keyPair(t)
	apply(t, secretWith(p.ns, "keys", map[string][]byte{"team.pub": signer.Public}),
		secretWith(p.ns, "attests", map[string][]byte{"prod.key": private}))
	return &copied{promoting: p, prod: prod, mirror: mirror, signer: signer, key: public}
}

// publishSigned publishes a version with a signature of each of cosign's layouts.
func (c *copied) publishSigned(version string) (digest string) {
	c.Helper()
	digest = c.publish(version)
	path := c.ns + "/sample"
	if err := c.signer.Sign(c.Context(), world.registry, path, digest); err != nil {
		c.Fatal(err)
	}
	if err := c.signer.Attach(c.Context(), world.registry, path, digest); err != nil {
		c.Fatal(err)
	}
	return digest
}

// newFar starts another cluster with a controller, and has it follow the registry of prod.
func (c *copied) newFar() *far {
	c.Helper()
	f := &far{remote: newRemote(c.T, c.ns)}
	if err := f.InstallCRDs(c.Context()); err != nil {
		c.Fatal(err)
	}
	controller, err := env.StartController(c.Context(), f.Cluster, c.TempDir())
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() {
		if err := controller.Stop(); err != nil {
			c.Error(err)
		}
	})
	f.source = ociRepository(c.ns, "oci://"+c.prod.Host()+"/charts/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	f.source.Spec.SecretRef = local("pull")
	f.source.Spec.Verify = &v1beta1.Verification{Provider: v1beta1.VerifyCosign, SecretRef: local("keys")}
	f.source.Spec.Attestations = []v1beta1.RequiredAttestation{{
		Stage: "dev", Pipeline: "web", Namespace: c.ns, SecretRef: *local("promoted"),
	}}
	f.release = chartRef(c.ns, "web", v1beta1.OCIRepositoryKind, "sample")
	f.release.Spec.Bake = often
	f.MustApply(c.T, secretWith(c.ns, "keys", map[string][]byte{"team.pub": c.signer.Public}),
		secretWith(c.ns, "promoted", map[string][]byte{"prod.pub": c.key}), credentialsFor(c.ns, "pull", password),
		f.source, f.release)
	return f
}

func credentialsFor(ns, name, password string) *corev1.Secret {
	return secretWith(ns, name, map[string][]byte{"username": []byte(user), "password": []byte(password)})
}

// await waits until the far cluster has verified a chart.
func (f *far) await(t *testing.T, digest string) {
	t.Helper()
	until(t, "the far cluster has verified "+digest, func() bool {
		last := env.Read(t, f.Cluster, f.release).Status.LastVerified
		return last != nil && last.ChartDigest == digest
	})
}

// A chart that dev has verified is copied to two registries, with its signatures, and another cluster that knows
// nothing but one of them runs the same digest. The controller says whose credentials are refused, is killed in
// between, and copies nothing twice. A version without a signature stays where it is. The far cluster takes only what
// dev has verified, by the statement of prod. It is not parallel: it stops the controller.
func TestCopyToAnotherCluster(t *testing.T) {
	c := newCopied(t)
	f := c.newFar()
	first := c.publishSigned("1.0.0")
	if ready := awaitNotReady(t, c.pipeline, v1beta1.AuthenticationFailedReason); !strings.Contains(ready.Message,
		"Secret "+c.ns+"/push") {
		t.Errorf("the message does not name the Secret that is missing: %s", ready.Message)
	}
	apply(t, credentialsFor(c.ns, "push", "wrong"))
	c.ask("1")
	until(t, "the credentials are refused", func() bool {
		s := c.stage("prod")
		return s.Copy != nil && strings.Contains(s.Copy.Message, "access refused") &&
			strings.Contains(s.Copy.Message, "Secret "+c.ns+"/push")
	})
	apply(t, credentialsFor(c.ns, "push", password))
	restart(t)
	c.await("dev 1.0.0 Verified", "prod 1.0.0 Verified", "mirror 1.0.0 Verified")
	awaitReady(t, c.pipeline)
	f.await(t, first)
	for _, name := range []string{"prod", "mirror"} {
		s := c.stage(name).Copy
		if s.Digest != first || s.Attested != (name == "prod") || s.Referrers != 1 || s.Bytes != s.Total ||
			!strings.Contains(s.SignedBy, "team.pub") {
			t.Errorf("the copy to %s is %+v", name, s)
		}
	}

	c.wantNoWrites("2")
	second := c.publishSigned("1.1.0")
	c.await("dev 1.1.0 Verified", "prod 1.1.0 Verified", "mirror 1.1.0 Verified")
	f.await(t, second)

	c.publish("1.2.0")
	until(t, "prod rejects what is not signed", func() bool {
		rejected := c.stage("prod").Rejected
		return len(rejected) == 1 && strings.Contains(rejected[0].Reason, v1beta1.VerificationFailedReason)
	})
	c.await("dev 1.2.0 Verified", "prod 1.1.0 "+promotion.PhaseBlocked, "mirror 1.1.0 "+promotion.PhaseBlocked)
	for _, line := range c.seen("PUT") {
		if strings.HasSuffix(line, "/manifests/1.2.0") {
			t.Errorf("the tag of what is not signed was written: %s", line)
		}
	}
	c.pushByHand("1.3.0")
	f.AwaitReadiness(t, f.source, "what was not promoted is not taken", func(ready metav1.Condition) bool {
		return ready.Reason == v1beta1.VerificationFailedReason &&
			strings.Contains(ready.Message, "has no attestation that the chart was verified in stage dev")
	})
	if got := env.Read(t, f.Cluster, f.release).Status.Latest(); got.ChartDigest != second {
		t.Errorf("the far cluster runs %s", got.ChartVersion)
	}
}

// pushByHand publishes a version that the team has signed in the registry of prod, beside the pipeline.
func (c *copied) pushByHand(version string) {
	c.Helper()
	digest := push(c.T, c.prod, "charts", "sample", version)
	if err := c.signer.Sign(c.Context(), c.prod, "charts/sample", digest); err != nil {
		c.Fatal(err)
	}
}

// keyPair makes a key that signs statements, PEM.
func keyPair(t *testing.T) (private, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err = cryptoutils.MarshalPrivateKeyToPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = cryptoutils.MarshalPublicKeyToPEM(key.Public()); err != nil {
		t.Fatal(err)
	}
	return private, public
}

// ask makes the controller look at the pipeline, and compare what it copied.
func (c *copied) ask(token string) {
	c.Helper()
	change(c.T, get(c.T, c.pipeline), func(p *v1beta1.ReleasePipeline) {
		p.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: token}
	})
}

// wantNoWrites asks for the copies to be compared, and wants nothing to be written to the registries.
func (c *copied) wantNoWrites(token string) {
	c.Helper()
	c.prod.Forget()
	c.mirror.Forget()
	c.ask(token)
	until(c.T, "both copies were compared", func() bool {
		tags := 0
		for _, line := range c.seen("HEAD") {
			if strings.HasSuffix(line, "/manifests/stable") { // the last step of a copy
				tags++
			}
		}
		return tags >= 2
	})
	if written := c.seen("PUT", "POST", "PATCH", "DELETE"); len(written) > 0 {
		c.Errorf("a repeated copy writes %v", written)
	}
}

// seen are the requests with one of some methods that both registries have had.
func (c *copied) seen(methods ...string) []string {
	var all []string
	for _, line := range append(c.prod.Seen(), c.mirror.Seen()...) {
		if method, _, _ := strings.Cut(line, " "); slices.Contains(methods, method) {
			all = append(all, line)
		}
	}
	return all
}
