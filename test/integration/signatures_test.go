package integration

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/upstream"
)

// A version is taken over when it is signed by a trusted key, in either layout, and not before; what runs stays meanwhile.
func TestOnlySignedVersionsAreTaken(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	trusted, err := upstream.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := upstream.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	path := ns + "/sample"
	first := push(t, world.registry, ns, "sample", "1.0.0")
	if err := trusted.Sign(t.Context(), world.registry, path, first); err != nil {
		t.Fatal(err)
	}
	verify := &v1beta1.OCIVerification{Provider: "cosign", SecretRef: local("keys")}
	repository := ociRepository(ns, "oci://"+world.registry.Host()+"/"+path, &v1beta1.OCIRepositoryRef{SemVer: "*"})
	repository.Spec.Verify = verify
	charts := helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns)
	chart := &v1beta1.HelmChart{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shared"}, Spec: v1beta1.HelmChartSpec{
		Chart: "sample", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts"}, Verify: verify,
	}}
	byRepository, byChart := chartRef(ns, "repository", v1beta1.OCIRepositoryKind, "sample"), chartRef(ns, "chart", v1beta1.HelmChartKind, "shared")
	apply(t, secretWith(ns, "keys", map[string][]byte{"stranger.pub": stranger.Public}), repository, charts, chart, byRepository, byChart)
	if ready := awaitNotReady(t, repository, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message, "by none of the keys stranger.pub") {
		t.Errorf("the message does not say whose keys were tried: %s", ready.Message)
	}
	apply(t, secretWith(ns, "keys", map[string][]byte{"old.pub": nil, "team.pub": trusted.Public}))
	awaitNotReady(t, repository, v1beta1.VerificationFailedReason) // one of them is no key
	apply(t, secretWith(ns, "keys", map[string][]byte{"team.pub": trusted.Public}))
	awaitVersion(t, byRepository, "1.0.0")
	awaitVersion(t, byChart, "1.0.0")
	if verified := condition(t, repository, v1beta1.SourceVerifiedCondition); verified.Status != metav1.ConditionTrue || !strings.Contains(verified.Message, first+" by key team.pub") {
		t.Errorf("SourceVerified is %s: %s", verified.Status, verified.Message)
	}

	second := push(t, world.registry, ns, "sample", "1.1.0")
	if ready := awaitNotReady(t, repository, v1beta1.VerificationFailedReason); !strings.Contains(ready.Message, "has no signature") || !strings.Contains(ready.Message, first+" stays in use") {
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
