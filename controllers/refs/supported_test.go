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
	b := &v1beta1.Bucket{}
	if err := Supported(b); err != nil {
		t.Errorf("an empty spec: %v", err)
	}
	b.Spec.Provider, b.Spec.ServiceAccountName = "aws", "keys"
	const want = "spec.provider aws, spec.serviceAccountName are not supported; nothing is done until the spec does without them"
	if err := Supported(b); ReasonOf(err) != v1beta1.UnsupportedReason || err.Error() != want {
		t.Errorf("two fields: %v", err)
	}
}
