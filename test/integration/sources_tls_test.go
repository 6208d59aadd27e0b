package integration

import (
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// over is what servers with certificates of an authority of the test's own need. The first certificate is good; after
// turn the next connections are shown one that has ended.
func over(t *testing.T) (o servers.Options, authority *servers.Authority, turn func(expired bool)) {
	t.Helper()
	authority, err := servers.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	good, err := authority.Server(time.Now().Add(time.Hour), false)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := authority.Server(time.Now().Add(-time.Minute), false)
	if err != nil {
		t.Fatal(err)
	}
	var expired atomic.Bool
	good.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if expired.Load() {
			return ended, nil
		}
		return nil, nil //nolint:nilnil // stands for the config itself
	}
	return servers.Options{Username: user, Password: password, TLS: good, Trust: authority.Pool(),
		Intercept: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Connection", "close") // so that each poll sees the certificate
			return false
		}}, authority, expired.Store
}

// Registries over TLS with a private authority: without it nothing is believed, with it charts are installed, and when
// the certificate has ended what runs stays until there is a new one.
func TestRegistriesOverTLS(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	o, authority, turn := over(t)
	registry, err := servers.Registry(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	push(t, registry, "apps", "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+registry.Host()+"/apps/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	charts := helmRepository(ns, "charts", "oci://"+registry.Host()+"/apps")
	repository.Spec.Insecure, charts.Spec.Insecure = false, false
	repository.Spec.SecretRef, charts.Spec.SecretRef = local("access"), local("access")
	byRepository, byName := chartRef(ns, "repository", v1beta1.OCIRepositoryKind, "sample"), release(ns, "name", "sample",
		"*", "charts", "")
	apply(t, access(ns), repository, charts, byRepository, byName)
	world.cluster.AwaitReadiness(t, repository, "the authority is not known", refuses("unknown authority"))

	repository.Spec.CertSecretRef, charts.Spec.CertSecretRef = local("tls"), local("tls")
	apply(t, secretWith(ns, "tls", map[string][]byte{"ca.crt": authority.PEM}), repository, charts)
	awaitVersion(t, byRepository, "1.0.0")
	awaitVersion(t, byName, "1.0.0")

	turn(true)
	world.cluster.AwaitReadiness(t, repository, "the certificate has ended", refuses("expired"))
	if got := get(t, repository).Status.Artifact; got == nil {
		t.Error("the artifact is gone")
	}
	awaitReady(t, byName)
	turn(false)
	push(t, registry, "apps", "sample", "1.1.0")
	awaitVersion(t, byRepository, "1.1.0")
	awaitVersion(t, byName, "1.1.0")
	nowhere(t, ns, password, repository, charts)
}

// A registry with a token service of its own: the client that signs in there gets a token for one repository, which is
// used until it ends.
func TestARegistryWithATokenService(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	tokens, err := servers.Tokens(servers.Options{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Close() })
	registry, err := servers.Registry(t.TempDir(), servers.Options{Username: user, Password: password, Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	push(t, registry, "apps", "sample", "1.0.0")
	repository := ociRepository(ns, "oci://"+registry.Host()+"/apps/sample", &v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.SecretRef = local("access")
	hr := chartRef(ns, "web", v1beta1.OCIRepositoryKind, "sample")
	apply(t, secretWith(ns, "access", map[string][]byte{"username": []byte(user), "password": []byte("not-" + password)}),
		repository, hr)
	awaitNotReady(t, repository, v1beta1.AuthenticationFailedReason)
	apply(t, access(ns))
	awaitVersion(t, hr, "1.0.0")
	tokens.Forget()
	push(t, registry, "apps", "sample", "1.1.0")
	asked := tokens.Requests()[http.MethodGet] // by who pushes
	awaitVersion(t, hr, "1.1.0")
	if got := tokens.Requests()[http.MethodGet] - asked; got > 1 {
		t.Errorf("%d tokens were asked for, and one lasts a minute", got)
	}
	nowhere(t, ns, password, repository, hr)
}

// Buckets over TLS.
func TestBucketsOverTLS(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	o, authority, turn := over(t)
	o.Username, o.Password = "", ""
	buckets, err := servers.BucketServer(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = buckets.Close() })
	if err := buckets.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if err := buckets.Put(t.Context(), ns, map[string]string{"apps/a.yaml": settings("a", "one")}); err != nil {
		t.Fatal(err)
	}
	b := &v1beta1.Bucket{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fleet"}, Spec: v1beta1.BucketSpec{
		Endpoint: buckets.Host(), BucketName: ns, Interval: often, SecretRef: local("keys"),
	}}
	k := kustomization(ns, "apps", "./apps", func(s *v1beta1.KustomizationSpec) { s.SourceRef.Kind = v1beta1.BucketKind })
	apply(t, keys(ns, servers.SecretKey), b, k)
	world.cluster.AwaitReadiness(t, b, "the authority is not known", refuses("unknown authority"))
	b.Spec.CertSecretRef = local("tls")
	apply(t, secretWith(ns, "tls", map[string][]byte{"ca.crt": authority.PEM}), b)
	until(t, "it is applied", func() bool { return holds(t, ns, "a", "one") })
	turn(true)
	world.cluster.AwaitReadiness(t, b, "the certificate has ended", refuses("expired"))
	if !holds(t, ns, "a", "one") {
		t.Error("what was applied is gone")
	}
	turn(false)
	awaitReady(t, b)
	nowhere(t, ns, servers.SecretKey, b)
}
