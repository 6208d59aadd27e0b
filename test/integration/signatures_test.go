package integration

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// A version is taken over when it is signed by a trusted key, in either layout, and not before; what runs stays
// meanwhile.
func TestOnlySignedVersionsAreTaken(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	trusted, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	path := ns + "/sample"
	first := push(t, world.registry, ns, "sample", "1.0.0")
	if err := trusted.Sign(t.Context(), world.registry, path, first); err != nil {
		t.Fatal(err)
	}
	verify := &v1beta1.Verification{Provider: "cosign", SecretRef: local("keys")}
	repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+path, &v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.Verify = verify
	charts := helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns)
	chart := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"}, Spec: v1beta1.HelmChartSpec{
		Chart: "sample", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
		Verify: verify,
	}}
	byRepository, byChart := chartRef(ns, "repository", v1beta1.OCIRepositoryKind, "sample"), chartRef(ns, "chart",
		v1beta1.HelmChartKind, "shared")
	apply(t, secretWith(ns, "keys", map[string][]byte{"stranger.pub": stranger.Public}), repository, charts, chart,
		byRepository, byChart)
	if ready := awaitNotReady(t, repository, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message,
		"by none of the keys stranger.pub") {
		t.Errorf("the message does not say whose keys were tried: %s", ready.Message)
	}
	apply(t, secretWith(ns, "keys", map[string][]byte{"old.pub": nil, "team.pub": trusted.Public}))
	awaitNotReady(t, repository, v1beta1.VerificationFailedReason) // one of them is no key
	apply(t, secretWith(ns, "keys", map[string][]byte{"team.pub": trusted.Public}))
	awaitVersion(t, byRepository, "1.0.0")
	awaitVersion(t, byChart, "1.0.0")
	if verified := condition(t, repository, v1beta1.SourceVerifiedCondition); verified.Status != metav1.ConditionTrue ||
		!strings.Contains(verified.Message, first+" by key team.pub") {
		t.Errorf("SourceVerified is %s: %s", verified.Status, verified.Message)
	}

	second := push(t, world.registry, ns, "sample", "1.1.0")
	if ready := awaitNotReady(t, repository, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message,
		"has no signature") || !strings.Contains(ready.Message, first+" stays in use") {
		t.Errorf("message %s", ready.Message)
	}
	awaitNotReady(t, chart, v1beta1.VerificationFailedReason)
	if err := stranger.Sign(t.Context(), world.registry, path, second); err != nil {
		t.Fatal(err)
	}
	world.cluster.AwaitReadiness(t, repository, "the stranger's signature is seen", func(ready metav1.Condition) bool {
		return strings.Contains(ready.Message, "none of the 1 signatures")
	})
	for _, hr := range []*v1beta1.HelmRelease{byRepository, byChart} {
		if got := get(t, hr).Status.Latest().ChartVersion; got != "1.0.0" {
			t.Errorf("%s runs %s, which is not signed", hr.Name, got)
		}
	}
	if err := trusted.Attach(t.Context(), world.registry, path, second); err != nil {
		t.Fatal(err)
	}
	awaitVersion(t, byRepository, "1.1.0")
	awaitVersion(t, byChart, "1.1.0")
}

// signedRelease is a release of the sample chart that demands provenance by the keys of the Secret "keys".
func signedRelease(ns, name, repository string) *v1beta1.HelmRelease {
	hr := release(ns, name, "sample", "*", repository, "")
	hr.Spec.Chart.Spec.Verify = &v1beta1.Verification{Provider: v1beta1.VerifyHelm, SecretRef: local("keys")}
	return hr
}

// Charts with provenance files are taken from repositories of both types, by HelmCharts and releases. One without a
// signature, or with that of a stranger, is not, and what runs stays. Other keys are tried immediately.
func TestOnlyChartsWithProvenanceAreTaken(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	team, err := servers.NewPackager()
	stranger, also := servers.NewPackager()
	if err := errors.Join(err, also); err != nil {
		t.Fatal(err)
	}
	charts := chartRepository(t, servers.ChartOptions{}, "sample")
	publish := func(version string, by *servers.Packager) {
		t.Helper()
		archive := chartArchive(t, "sample", version, nil)
		var file []byte
		if by != nil {
			if file, err = by.Sign(archive); err != nil {
				t.Fatal(err)
			}
		}
		charts.AddProvenance("sample", version, file)
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
		if _, err := world.registry.PushSignedChart(t.Context(), ns, archive, file); err != nil {
			t.Fatal(err)
		}
	}
	publish("1.0.0", team)
	repository, registry := helmRepository(ns, "charts", charts.URL()), helmRepository(ns, "registry",
		"oci://"+world.registry.Host()+"/"+ns)
	chart := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"}, Spec: v1beta1.HelmChartSpec{
		Chart: "sample", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"},
		Verify: &v1beta1.Verification{Provider: v1beta1.VerifyHelm, SecretRef: local("keys")},
	}}
	overHTTP, inRegistry := signedRelease(ns, "http", "charts"), signedRelease(ns, "registry", "registry")
	cosign := release(ns, "cosign", "sample", "*", "charts", "")
	cosign.Spec.Chart.Spec.Verify = &v1beta1.Verification{SecretRef: local("cosign")}
	key, err := servers.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	apply(t, secretWith(ns, "keys", map[string][]byte{"stranger.asc": stranger.Armored}),
		secretWith(ns, "cosign", map[string][]byte{"team.pub": key.Public}),
		repository, registry, chart, overHTTP, inRegistry, cosign)
	if ready := awaitNotReady(t, chart, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message,
		"none of the keys stranger.asc") {
		t.Errorf("the message does not say whose keys were tried: %s", ready.Message)
	}
	for _, hr := range []*v1beta1.HelmRelease{overHTTP, inRegistry} {
		awaitNotReady(t, hr, v1beta1.VerificationFailedReason)
	}
	if ready := awaitNotReady(t, cosign, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message,
		"with the provider helm") {
		t.Errorf("the message does not say what to do: %s", ready.Message)
	}

	apply(t, secretWith(ns, "keys", map[string][]byte{"stranger.asc": nil, "team.gpg": team.Binary}))
	awaitNotReady(t, chart, v1beta1.VerificationFailedReason) // one of them is no key
	apply(t, secretWith(ns, "keys", map[string][]byte{"team.gpg": team.Binary}))
	awaitReady(t, chart)
	if verified := condition(t, chart, v1beta1.SourceVerifiedCondition); verified.Status != metav1.ConditionTrue ||
		!strings.Contains(verified.Message, "of team.gpg") {
		t.Errorf("SourceVerified is %s: %s", verified.Status, verified.Message)
	}
	awaitVersion(t, overHTTP, "1.0.0")
	awaitVersion(t, inRegistry, "1.0.0")

	publish("1.1.0", nil)
	for _, hr := range []*v1beta1.HelmRelease{overHTTP, inRegistry} {
		if ready := awaitNotReady(t, hr, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message,
			"no provenance file") {
			t.Errorf("%s: %s", hr.Name, ready.Message)
		}
		if got := get(t, hr).Status.Latest().ChartVersion; got != "1.0.0" {
			t.Errorf("%s runs %s, which is not signed", hr.Name, got)
		}
	}
	publish("1.2.0", team)
	awaitVersion(t, overHTTP, "1.2.0")
	awaitVersion(t, inRegistry, "1.2.0")
	awaitReady(t, chart)
}
