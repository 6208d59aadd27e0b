package refs

import (
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// A cluster that cannot be reached as the spec says is never taken for the controller's own.
func TestAClusterWithoutAKubeconfigIsNotTheOwnCluster(t *testing.T) {
	t.Parallel()
	_, err := (Identities{}).Access(t.Context(), "apps", "", &v1beta1.KubeConfigReference{})
	if ReasonOf(err) != v1beta1.UnsupportedReason {
		t.Errorf("error %v", err)
	}
}

func TestSupported(t *testing.T) {
	t.Parallel()
	k := &v1beta1.Kustomization{}
	if err := Supported(k); err != nil {
		t.Errorf("an empty spec: %v", err)
	}
	k.Spec.SourceRef.Kind = v1beta1.ExternalArtifactKind
	k.Spec.Decryption = &v1beta1.Decryption{Provider: "sops", ServiceAccountName: "keys"}
	const want = "spec.sourceRef.kind ExternalArtifact, spec.decryption.serviceAccountName are not supported; nothing is done until the spec does without them"
	if err := Supported(k); ReasonOf(err) != v1beta1.UnsupportedReason || err.Error() != want {
		t.Errorf("two fields: %v", err)
	}
}
